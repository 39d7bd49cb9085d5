use super::*;

#[factory]
fn looks(parcel: Parcel, books: Books) -> A {
    A(parcel.value + 100 * books.0.live() as u64)
}

#[pipeline(extract(make), use_it(looks), keep(make))]
struct Kept {
    books: Books,
}

#[test]
fn a_kept_output_is_there_after_the_run() {
    on_each_runtime(async || {
        let ledger = ledger();
        let run = Kept { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!(run.get::<looks>(), &A(207), "the consumer has a clone");
        assert_eq!(run.get::<make>().value, 7);
        assert_eq!((ledger.clones(), ledger.live()), (1, 1));
        drop(run);
        assert_eq!(ledger.live(), 0);
    });
}

#[pipeline(only(make))]
struct Unused {
    books: Books,
}

#[test]
fn an_output_that_nobody_takes_is_there_after_the_run() {
    on_each_runtime(async || {
        let ledger = ledger();
        let run = Unused { books: Books(Arc::clone(&ledger)) }.run().await.unwrap();
        assert_eq!(run.get::<make>().value, 7);
        assert_eq!((ledger.clones(), ledger.live()), (0, 1));
    });
}

#[test]
fn the_caller_can_keep_the_run_and_not_its_executor() {
    on_each_runtime(async || {
        let books = Books(ledger());
        let run = Kept { books: books.clone() }.run().await.unwrap();
        assert_eq!(run.get::<make>().ledger().live(), 1);
        assert_eq!(run.entries().len(), 2);
    });
}

#[factory]
fn nothing(_latch: Latch) {}

#[test]
fn an_input_that_nobody_takes_is_dropped_before_anything_starts() {
    on_each_runtime(async || {
        let ledger = ledger();
        let pipeline = Pipeline::builder("unused")
            .input("latch", Latch::default())
            .input("parcel", ledger.parcel(0, 1))
            .stage("only")
            .factory::<nothing>()
            .build()
            .unwrap();
        assert_eq!(pipeline.inputs_without_consumer().collect::<Vec<_>>(), ["parcel"]);
        let seen = Arc::clone(&ledger);
        let run = pipeline.run().observe(move |_| assert_eq!(seen.live(), 0));
        run.await.unwrap();
        assert_eq!(ledger.live(), 0);
    });
}
