use super::*;

#[factory]
fn by_value(#[delivery(optional)] parcel: Option<Parcel>) -> A {
    A(parcel.map_or(0, |parcel| parcel.value))
}

#[factory]
async fn together(#[delivery(optional, shared)] parcel: Option<Arc<Parcel>>) -> B {
    B(parcel.map_or(0, |parcel| parcel.value))
}

#[pipeline(only(by_value, together))]
struct Perhaps {
    #[delivery(optional)]
    parcel: Option<Parcel>,
}

#[test]
fn what_may_be_absent() {
    on_each_runtime(async || {
        let run = Perhaps { parcel: None }.run().await.unwrap();
        assert_eq!((run.get::<by_value>(), run.get::<together>()), (&A(0), &B(0)));
        let ledger = ledger();
        let run = Perhaps { parcel: Some(ledger.parcel(9, 1)) }.run().await.unwrap();
        assert_eq!((run.get::<by_value>(), run.get::<together>()), (&A(9), &B(9)));
        assert!(ledger.clones() <= 1);
        assert_eq!(ledger.live(), 0);
    });
}

#[pipeline(extract(make), use_it(by_value, together))]
struct Always {
    books: Books,
}

#[test]
fn optional_deliveries_take_what_is_always_there() {
    on_each_runtime(async || {
        let ledger = ledger();
        let run = Always { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!((run.get::<by_value>(), run.get::<together>()), (&A(7), &B(7)));
        assert_eq!(ledger.live(), 0);
    });
}
