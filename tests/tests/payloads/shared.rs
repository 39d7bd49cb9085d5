use super::*;

#[factory]
async fn a(#[delivery(shared)] parcel: Arc<Parcel>) -> A {
    A(parcel.value)
}

#[factory]
fn b(#[delivery(shared)] parcel: Arc<Parcel>) -> B {
    B(parcel.value)
}

#[pipeline(extract(make), use_it(a, b))]
struct Both {
    books: Books,
}

#[test]
fn shared_payloads_are_not_cloned() {
    on_each_runtime(async || {
        let ledger = ledger();
        let run = Both { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!((run.get::<a>(), run.get::<b>()), (&A(7), &B(7)));
        assert_eq!((ledger.clones(), ledger.live()), (0, 0));
    });
}

/// Neither `Clone` nor anything else is asked of it.
struct Model(u64);

#[factory]
fn model() -> Model {
    Model(5)
}

#[factory]
fn applies(#[delivery(shared)] model: Arc<Model>) -> A {
    assert_eq!(Arc::strong_count(&model), 1, "the only consumer has the payload for itself");
    A(Arc::into_inner(model).unwrap().0)
}

#[pipeline(only(model, applies))]
struct Alone;

#[test]
fn what_is_shared_need_not_be_clone() {
    on_each_runtime(async || assert_eq!(Alone.run().await.unwrap().get::<applies>(), &A(5)));
}

#[factory]
fn owns(parcel: Parcel) -> C {
    C(parcel.value)
}

#[pipeline(
    extract(make),
    #[sequential] use_it(a, b, owns),
)]
struct SharedFirst {
    books: Books,
}

#[pipeline(
    extract(make),
    #[sequential] use_it(owns, a, b),
)]
struct OwnedFirst {
    books: Books,
}

#[pipeline(extract(make), use_it(a, owns, b))]
struct Mixed {
    books: Books,
}

#[test]
fn shared_and_owned_consumers_mix() {
    on_each_runtime(async || {
        let ledger = ledger();
        SharedFirst { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!((ledger.clones(), ledger.live()), (0, 0), "who shared it has let go of it");
        OwnedFirst { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!((ledger.clones(), ledger.live()), (1, 0), "others are still to come");
        let run = Mixed { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!((run.get::<a>(), run.get::<b>(), run.get::<owns>()), (&A(7), &B(7), &C(7)));
        assert!(ledger.clones() <= 2);
        assert_eq!(ledger.live(), 0);
    });
}

#[factory]
async fn holds(#[delivery(shared)] parcel: Arc<Parcel>, latch: Latch) {
    latch.opened().await;
    assert_eq!(parcel.value, 7);
}

#[factory]
fn owns_meanwhile(mut parcel: Parcel, latch: Latch) -> C {
    parcel.value += 1;
    latch.open();
    C(parcel.value)
}

#[pipeline(extract(make), #[sequential] use_it(holds), more(owns_meanwhile))]
struct Meanwhile {
    books: Books,
    latch: Latch,
}

#[test]
fn an_owner_cannot_change_what_others_share() {
    on_each_runtime(async || {
        let ledger = ledger();
        let books = Books(Arc::clone(&ledger));
        let run = Meanwhile { books, latch: Latch::default() }.run().await.unwrap();
        assert_eq!(run.get::<owns_meanwhile>(), &C(8));
        assert_eq!(ledger.live(), 0);
    });
}
