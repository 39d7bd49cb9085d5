//! Who gets a payload how, and when it is gone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use setl::prelude::*;
use setl_tests::{Latch, Ledger, Log, Parcel, finished, on_each_runtime, started};

fn ledger() -> Arc<Ledger> {
    Arc::default()
}

/// The books, for factories that look into them.
#[derive(Clone)]
struct Books(Arc<Ledger>);

/// The result of one of several equal factories.
macro_rules! outcomes {
    ($($name:ident),*) => {
        $(#[derive(Clone, Debug, PartialEq)]
        struct $name(u64);)*
    };
}
outcomes!(A, B, C);

#[factory]
fn make(books: Books) -> Parcel {
    books.0.parcel(7, 1)
}

mod owned {
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

    #[factory]
    fn twice(one: Parcel, other: Parcel) -> A {
        assert_eq!(one.ledger().live(), 2);
        A(one.value + other.value)
    }

    #[pipeline(use_it(twice))]
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
}

mod shared {
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
}

mod optional {
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
}

mod context {
    use super::*;

    #[factory(output = A)]
    struct Several {
        #[delivery]
        one: Context,
        #[delivery(shared)]
        two: Arc<Context>,
        #[delivery(optional)]
        three: Option<Context>,
    }

    impl Factory for Several {
        async fn process(&mut self) -> Result<A> {
            let three = self.three.as_ref().unwrap();
            assert_eq!(self.one.run_id(), self.two.run_id());
            assert_eq!(self.one.run_id(), three.run_id());
            for context in [&self.one, &self.two, three] {
                assert_eq!((context.pipeline(), context.factory()), ("Run", "Several"));
            }
            Ok(A(1))
        }
    }

    #[pipeline(only(Several))]
    struct Run;

    #[test]
    fn the_context_is_delivered_in_every_way() {
        on_each_runtime(async || {
            Run.run().await.unwrap();
        });
    }
}

mod identity {
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
}

mod keeping {
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
}

mod lifetime {
    use super::*;

    #[factory]
    fn drops(parcel: Parcel) -> B {
        B(parcel.value)
    }

    #[factory]
    fn looks(_b: B, books: Books) -> A {
        A(books.0.live() as u64)
    }

    #[pipeline(extract(make), use_it(drops), look(looks))]
    struct Dropped {
        books: Books,
    }

    #[test]
    fn a_payload_is_gone_when_its_last_consumer_has_finished() {
        on_each_runtime(async || {
            let (ledger, log) = (ledger(), Log::default());
            let seen = Arc::clone(&ledger);
            let lives = Log::<(String, usize)>::default();
            let at = lives.clone();
            let run = Dropped { books: Books(Arc::clone(&ledger)) }.run();
            let run = run.observe(log.observer()).observe(move |event| {
                if let setl::Event::Finished { factory, .. } = event {
                    at.push(((*factory).to_owned(), seen.live()));
                }
            });
            assert_eq!(run.await.unwrap().get::<looks>(), &A(0));
            let expected = [("make", 1), ("drops", 0), ("looks", 0)];
            assert_eq!(lives.all(), expected.map(|(factory, live)| (factory.to_owned(), live)));
            log.assert_before(&finished("drops"), &started("looks"));
        });
    }

    /// A struct holds its deliveries to its end, but not beyond.
    #[factory(output = B)]
    struct Holds {
        #[delivery(shared)]
        parcel: Arc<Parcel>,
    }

    impl Factory for Holds {
        async fn process(&mut self) -> Result<B> {
            Ok(B(self.parcel.value))
        }

        async fn write(&mut self, _output: &B) -> Result<()> {
            assert_eq!(self.parcel.ledger().live(), 1);
            Ok(())
        }
    }

    #[pipeline(extract(make), use_it(Holds), look(looks))]
    struct Held {
        books: Books,
    }

    #[test]
    fn a_struct_drops_its_deliveries_before_others_start() {
        on_each_runtime(async || {
            let run = Held { books: Books(ledger()) }.run().await.unwrap();
            assert_eq!(run.get::<looks>(), &A(0));
        });
    }
}

mod memory {
    use super::*;

    const HEAVY: usize = 100 << 20;

    /// Makes a parcel from a parcel, while it holds both.
    #[factory]
    fn passes_on(parcel: Parcel) -> Parcel {
        parcel.ledger().parcel(parcel.value + 1, HEAVY)
    }

    #[factory]
    async fn passes_on_later(parcel: Parcel) -> Parcel {
        tokio::task::yield_now().await;
        parcel.ledger().parcel(parcel.value + 1, HEAVY)
    }

    #[factory]
    fn passes_on_shared(#[delivery(shared)] parcel: Arc<Parcel>) -> Parcel {
        parcel.ledger().parcel(parcel.value + 1, HEAVY)
    }

    /// Ten in a row, each of which takes what the one before delivers.
    fn chain(parcel: Parcel) -> Pipeline {
        let mut builder = Pipeline::builder("chain").named_input("0", parcel).stage("chain");
        for index in 0..10 {
            let name = (index + 1).to_string();
            let wire = |wiring: setl::plan::dynamic::Wiring| wiring.take("parcel", index.to_string());
            builder = match index % 3 {
                0 => builder.factory_named::<passes_on>(name, wire),
                1 => builder.factory_named::<passes_on_later>(name, wire),
                _ => builder.factory_named::<passes_on_shared>(name, wire),
            };
        }
        builder.build().unwrap()
    }

    #[test]
    fn a_chain_never_holds_more_than_two() {
        on_each_runtime(async || {
            let ledger = ledger();
            let run = chain(ledger.parcel(0, HEAVY)).run().await.unwrap();
            assert_eq!(run.find_named::<Parcel>("10").unwrap().value, 10);
            assert_eq!(ledger.heaviest(), 2 * HEAVY);
            assert_eq!((ledger.clones(), ledger.live()), (0, 1));
        });
    }

    /// Bytes that are there.
    #[derive(Debug)]
    struct Bytes {
        bytes: Vec<u8>,
        parcel: Parcel,
    }

    impl Bytes {
        fn new(ledger: &Arc<Ledger>) -> Self {
            Self { bytes: vec![1; HEAVY], parcel: ledger.parcel(0, HEAVY) }
        }
    }

    #[factory]
    fn copies(#[delivery(shared)] bytes: Arc<Bytes>) -> Bytes {
        let mut copy = Bytes::new(bytes.parcel.ledger());
        copy.bytes[0] = bytes.bytes[0] + 1;
        copy
    }

    #[test]
    fn a_chain_never_holds_more_than_two_real_ones() {
        on_each_runtime(async || {
            let ledger = ledger();
            let mut builder = Pipeline::builder("chain").named_input("0", Bytes::new(&ledger)).stage("chain");
            for index in 0..10 {
                builder = builder.factory_named::<copies>((index + 1).to_string(), |wiring| {
                    wiring.take("bytes", index.to_string())
                });
            }
            let run = builder.build().unwrap().run().await.unwrap();
            let last = run.find_named::<Bytes>("10").unwrap();
            assert_eq!((last.bytes[0], last.bytes.len()), (11, HEAVY));
            assert_eq!(ledger.heaviest(), 2 * HEAVY);
        });
    }

    #[factory]
    fn weighs(parcel: Parcel) -> u64 {
        parcel.value
    }

    #[factory]
    async fn weighs_shared(#[delivery(shared)] parcel: Arc<Parcel>) -> u64 {
        parcel.value
    }

    fn fan_out<F: Factory>(parcel: Parcel) -> Pipeline {
        let mut builder = Pipeline::builder("fan-out").input("parcel", parcel).stage("all");
        for index in 0..5 {
            builder = builder.factory_named::<F>(index.to_string(), |wiring| wiring);
        }
        builder.build().unwrap()
    }

    #[test]
    fn a_fan_out_holds_one_for_each_owner_that_runs() {
        on_each_runtime(async || {
            let ledger = ledger();
            fan_out::<weighs>(ledger.parcel(0, HEAVY)).run().await.unwrap();
            assert!(ledger.heaviest() <= 5 * HEAVY, "one clone for each but the last");
            assert_eq!((ledger.clones(), ledger.live()), (4, 0));
        });
    }

    #[test]
    fn a_bounded_fan_out_holds_one_more_than_run_at_once() {
        on_each_runtime(async || {
            let ledger = ledger();
            fan_out::<weighs>(ledger.parcel(0, HEAVY)).run().concurrency(1).await.unwrap();
            assert_eq!(ledger.heaviest(), 2 * HEAVY);
            assert_eq!((ledger.clones(), ledger.live()), (4, 0));
        });
    }

    #[test]
    fn a_shared_fan_out_holds_one() {
        on_each_runtime(async || {
            let ledger = ledger();
            fan_out::<weighs_shared>(ledger.parcel(0, HEAVY)).run().await.unwrap();
            assert_eq!(ledger.heaviest(), HEAVY);
            assert_eq!((ledger.clones(), ledger.live()), (0, 0));
        });
    }
}
