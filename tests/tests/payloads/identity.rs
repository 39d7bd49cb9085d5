use super::*;

struct Left;
struct Right;

#[factory(id = Left)]
fn left(books: Books) -> Parcel {
    books.0.parcel(1, 1)
}

#[factory(id = Right)]
fn right(books: Books) -> Parcel {
    books.0.parcel(2, 1)
}

#[factory]
fn joins(
    #[delivery(id = Right)] second: Parcel,
    #[delivery(id = Left)] first: Parcel,
    #[delivery(producer = right)] third: Parcel,
    fourth: Parcel,
) -> A {
    A(first.value * 1000 + second.value * 100 + third.value * 10 + fourth.value)
}

#[pipeline(extract(left, right), join(joins))]
struct Joined {
    books: Books,
    parcel: Parcel,
}

#[test]
fn ids_and_producers_tell_payloads_apart() {
    on_each_runtime(async || {
        let ledger = ledger();
        let books = Books(Arc::clone(&ledger));
        let run = Joined { books, parcel: ledger.parcel(4, 1) }.run().await.unwrap();
        assert_eq!(run.get::<joins>(), &A(1224));
        assert_eq!((ledger.clones(), ledger.live()), (1, 0));
    });
}
