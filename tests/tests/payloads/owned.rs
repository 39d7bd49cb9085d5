use super::*;

#[factory]
async fn a(parcel: Parcel) -> A {
    A(parcel.value)
}

#[factory]
fn b(parcel: Parcel) -> B {
    B(parcel.value)
}

#[factory(output = C)]
struct Last {
    #[delivery]
    parcel: Parcel,
}

impl Factory for Last {
    async fn process(&mut self) -> Result<C> {
        Ok(C(self.parcel.value))
    }
}

#[pipeline(extract(make), use_it(a, b, Last))]
struct Three {
    books: Books,
}

#[test]
fn all_consumers_but_the_last_get_a_clone() {
    on_each_runtime(async || {
        let ledger = ledger();
        let run = Three { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!((run.get::<a>(), run.get::<b>(), run.get::<Last>()), (&A(7), &B(7), &C(7)));
        assert_eq!(ledger.clones(), 2);
        assert_eq!(ledger.live(), 0);
    });
}

#[pipeline(extract(make), use_it(a))]
struct One {
    books: Books,
}

#[test]
fn a_single_consumer_gets_the_payload_itself() {
    on_each_runtime(async || {
        let ledger = ledger();
        One { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!((ledger.clones(), ledger.live()), (0, 0));
    });
}

#[pipeline(use_it(a, b))]
struct Inputs {
    parcel: Parcel,
}

#[test]
fn inputs_are_delivered_like_outputs() {
    on_each_runtime(async || {
        let ledger = ledger();
        Inputs { parcel: ledger.parcel(1, 1) }.run().await.unwrap();
        assert_eq!((ledger.clones(), ledger.live()), (1, 0));
    });
}

struct Handed;

#[factory(id = Handed)]
fn hand_on(parcel: Parcel) -> Parcel {
    parcel
}

#[factory]
fn twice(#[delivery(producer = hand_on)] one: Parcel, #[delivery(producer = hand_on)] other: Parcel) -> A {
    assert_eq!(one.ledger().live(), 2);
    A(one.value + other.value)
}

#[pipeline(use_it(hand_on, twice))]
struct Twice {
    parcel: Parcel,
}

#[test]
fn a_factory_may_take_a_payload_twice() {
    on_each_runtime(async || {
        let ledger = ledger();
        let run = Twice { parcel: ledger.parcel(3, 1) }.run().await.unwrap();
        assert_eq!(run.get::<twice>(), &A(6));
        assert_eq!((ledger.clones(), ledger.live()), (1, 0));
    });
}
