//! Pipelines that are put together at run time: every mistake in its words, and the same plan as a static pipeline.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use setl::plan::dynamic::Builder;
use setl::prelude::*;
use setl_tests::{Latch, Log, finished, on_each_runtime, started};

#[derive(Clone)]
struct Orders(Vec<u32>);

#[derive(Clone)]
struct Total(u32);

#[derive(Debug, PartialEq)]
struct Page(String);

#[factory]
fn read() -> Orders {
    Orders(vec![1, 2, 3])
}

#[factory]
fn read_again() -> Orders {
    Orders(vec![4])
}

#[factory]
async fn sum(orders: Orders) -> Total {
    Total(orders.0.iter().sum())
}

#[factory]
fn report(total: Total, #[delivery(shared)] title: Arc<String>) -> Page {
    Page(format!("{title}: {}", total.0))
}

mod mistakes {
    use super::*;

    /// Builds, and compares every mistake.
    #[track_caller]
    fn check(builder: Builder, expected: &[&str]) {
        let error = builder.build().unwrap_err();
        assert_eq!(error.mistakes, expected);
        assert_eq!(error.pipeline, "daily");
        assert_eq!(error.to_string(), format!("pipeline `daily` is not wired:\n  {}", expected.join("\n  ")));
    }

    fn daily() -> Builder {
        Pipeline::builder("daily").stage("all")
    }

    #[test]
    fn nothing_delivers_it() {
        check(
            daily().factory::<sum>(),
            &["nothing in pipeline `daily` delivers `Orders`; factory `sum` takes it as `orders`: \
               add a factory whose output it is, or an input of this type"],
        );
    }

    struct Raw;

    #[factory]
    fn sum_raw(#[delivery(id = Raw)] orders: Orders) -> u32 {
        orders.0.iter().sum()
    }

    #[test]
    fn nothing_delivers_it_under_its_id() {
        check(
            daily().factory::<read>().factory::<sum_raw>(),
            &[
                "nothing in pipeline `daily` delivers `Orders` with id `Raw`; factory `sum_raw` takes it as `orders`: \
               add a factory whose output it is, or an input of this type",
            ],
        );
    }

    #[test]
    fn two_factories_deliver_it() {
        check(
            daily().factory::<read>().factory::<read_again>().factory::<sum>(),
            &["both `read` and `read_again` deliver `Orders`: give one of them an id, or a name of its own"],
        );
    }

    #[test]
    fn an_input_and_a_factory_deliver_it() {
        check(
            daily().input("orders", Orders(vec![])).factory::<read>().factory::<sum>(),
            &["both `orders` and `read` deliver `Orders`: give one of them an id, or a name of its own"],
        );
    }

    #[test]
    fn two_inputs_deliver_it() {
        check(
            daily().input("a", vec![Some(1u8)]).input("b", vec![Some(2u8)]).factory::<read>(),
            &["both `a` and `b` deliver `Vec<Option<u8>>`: give one of them an id, or a name of its own"],
        );
    }

    #[factory]
    fn egg(_total: Total) -> Orders {
        Orders(vec![])
    }

    #[test]
    fn factories_deliver_in_a_cycle() {
        check(
            daily().factory::<sum>().factory::<egg>(),
            &["pipeline `daily`: factories deliver to each other in a cycle: sum <- egg <- sum; \
               let one of them take something from outside of the cycle"],
        );
    }

    #[factory]
    fn itself(orders: Orders) -> Orders {
        orders
    }

    #[test]
    fn a_factory_takes_its_own_output() {
        check(
            daily().factory::<itself>(),
            &["pipeline `daily`: a factory takes its own output: itself <- itself; \
               let it take what another factory or an input delivers, or give its output an id"],
        );
        check(
            daily().factory_named::<itself>("again", |wiring| wiring.take("orders", "again")),
            &["pipeline `daily`: a factory takes its own output: again <- again; \
               let it take what another factory or an input delivers, or give its output an id"],
        );
    }

    #[test]
    fn a_barrier_stands_between() {
        check(
            Pipeline::builder("daily")
                .stage("early")
                .barrier()
                .factory::<sum>()
                .stage("late")
                .factory::<read>(),
            &[
                "pipeline `daily`: factories wait for each other in a cycle: sum <- read (in a later stage) <- the barrier of stage \
               `early` <- sum; move the factory that is needed earlier to an earlier place, or drop the barrier or \
               `sequential`",
            ],
        );
    }

    #[test]
    fn a_sequence_stands_against_it() {
        check(
            daily().sequential().factory::<sum>().factory::<read>(),
            &[
                "pipeline `daily`: factories wait for each other in a cycle: sum <- read (in its stage's order) <- sum; \
               move the factory that is needed earlier to an earlier place, or drop the barrier or `sequential`",
            ],
        );
    }

    #[test]
    fn a_factory_is_listed_twice() {
        check(
            daily().factory::<read>().factory::<read>().factory::<sum>(),
            &[
                "factory `read` is listed twice: each factory runs once in a run; to run the same code on other \
               deliveries, give it a name with `.factory_named::<read>(\"…\", …)`",
            ],
        );
    }

    #[test]
    fn an_input_is_named_like_something_else() {
        check(
            daily().input("read", 1u8).input("n", 2u16).input("n", 3u32).factory::<read>(),
            &[
                "`read` is the name of two things: an input needs a name of its own",
                "`n` is the name of two things: an input needs a name of its own",
            ],
        );
    }

    #[test]
    fn a_name_is_unknown() {
        check(
            daily()
                .factory_named::<read>("read 1", |wiring| wiring)
                .factory_named::<sum>("sum 1", |wiring| wiring.take("orders", "raed 1"))
                .factory_named::<sum>("sum 2", |wiring| wiring.take("orders", "elsewhere")),
            &[
                "nothing in pipeline `daily` is named `raed 1`, did you mean `read 1`?; \
                 factory `sum 1` takes it as `orders`",
                "nothing in pipeline `daily` is named `elsewhere`; factory `sum 2` takes it as `orders`",
            ],
        );
    }

    #[test]
    fn a_name_delivers_something_else() {
        check(
            daily()
                .input("title", String::new())
                .factory_named::<sum>("sum 1", |wiring| wiring.take("orders", "title"))
                .factory_named::<sum>("sum 2", |wiring| wiring.take("orders", "sum 1")),
            &[
                "`title` does not deliver `Orders`; factory `sum 1` takes it as `orders`",
                "`sum 1` does not deliver `Orders`; factory `sum 2` takes it as `orders`",
            ],
        );
    }

    #[test]
    fn a_delivery_is_unknown() {
        check(
            daily()
                .input("title", String::new())
                .factory::<sum>()
                .factory::<read>()
                .factory_named::<report>("r", |wiring| wiring.take("totl", "sum").take("title", "title"))
                .factory_named::<read>("again", |wiring| wiring.take("orders", "read")),
            &[
                "factory `r` has no delivery `totl`: it takes `total`, `title`",
                "factory `again` has no delivery `orders`: it takes nothing",
            ],
        );
    }

    #[test]
    fn a_delivery_is_wired_twice() {
        check(
            daily()
                .factory::<read>()
                .factory_named::<sum>("s", |wiring| wiring.take("orders", "read").take("orders", "s")),
            &["factory `s` takes `orders` twice, from `read` and from `s`: drop one of them"],
        );
    }

    #[test]
    fn a_factory_is_in_no_stage() {
        check(
            Pipeline::builder("daily").factory::<read>(),
            &["factory `read` is in no stage: call `.stage(\"…\")` before it"],
        );
    }

    #[test]
    fn an_option_is_of_no_stage() {
        check(
            Pipeline::builder("daily").barrier().stage("all").factory::<read>(),
            &["a stage option comes before the first stage: call `.stage(\"…\")` first"],
        );
    }

    #[test]
    fn a_pipeline_is_empty() {
        let text = "pipeline `daily` has no factories: add a stage and factories to it";
        check(Pipeline::builder("daily"), &[text]);
        check(daily(), &[text]);
    }

    #[test]
    fn what_may_be_absent_is_needed() {
        let text = "`Orders` may be absent; factory `sum` takes it as `orders`, which must be optional: \
                    `#[delivery(optional)]` with the type `Option<Orders>`";
        check(daily().optional_input::<Orders>("orders", None).factory::<sum>(), &[text]);
        check(daily().optional_input("orders", Some(Orders(vec![]))).factory::<sum>(), &[text]);
    }

    #[test]
    fn what_may_be_absent_is_needed_by_name() {
        check(
            daily()
                .optional_input("perhaps", Some(Orders(vec![])))
                .factory_named::<sum>("s", |wiring| wiring.take("orders", "perhaps")),
            &["`perhaps` may be absent; factory `s` takes it as `orders`, which must be optional: \
               `#[delivery(optional)]` with the type `Option<Orders>`"],
        );
    }

    #[test]
    fn what_is_kept_is_unknown() {
        check(
            daily().factory::<read>().factory::<sum>().keep("raed").keep("nowhere"),
            &[
                "`keep(raed)` names a factory that is in no stage, did you mean `read`?",
                "`keep(nowhere)` names a factory that is in no stage",
            ],
        );
    }

    #[factory]
    fn sum_read(#[delivery(producer = read)] orders: Orders) -> u32 {
        orders.0.iter().sum()
    }

    #[test]
    fn a_producer_is_not_listed() {
        check(
            daily().factory::<read_again>().factory::<sum_read>(),
            &["pipeline `daily` does not list the factory `read`; factory `sum_read` takes it as `orders`"],
        );
    }

    #[test]
    fn a_producer_is_listed_under_two_names() {
        check(
            daily().factory::<read>().factory_named::<read>("again", |wiring| wiring).factory::<sum_read>(),
            &["`read` and `again` are both the factory `read`; factory `sum_read` takes it as `orders`: \
               say which with `.take(\"orders\", …)`"],
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        check(
            daily().factory::<sum>().factory::<report>().keep("x").factory::<sum>(),
            &[
                "factory `sum` is listed twice: each factory runs once in a run; to run the same code on other \
                 deliveries, give it a name with `.factory_named::<sum>(\"…\", …)`",
                "`keep(x)` names a factory that is in no stage",
                "nothing in pipeline `daily` delivers `Orders`; factory `sum` takes it as `orders`: \
                 add a factory whose output it is, or an input of this type",
                "nothing in pipeline `daily` delivers `String`; factory `report` takes it as `title`: \
                 add a factory whose output it is, or an input of this type",
                "nothing in pipeline `daily` delivers `Orders`; factory `sum` takes it as `orders`: \
                 add a factory whose output it is, or an input of this type",
            ],
        );
    }
}

mod loops {
    use super::*;

    #[factory]
    fn parse(text: String) -> Result<u64> {
        Ok(text.parse()?)
    }

    #[factory]
    async fn add(left: u64, right: u64) -> u64 {
        left + right
    }

    #[test]
    fn a_pipeline_grows_in_a_loop() {
        on_each_runtime(async || {
            let mut builder = Pipeline::builder("sums").stage("parse");
            for index in 0..10 {
                builder = builder
                    .named_input(format!("text {index}"), index.to_string())
                    .factory_named::<parse>(format!("number {index}"), |wiring| {
                        wiring.take("text", format!("text {index}"))
                    });
            }
            builder = builder.stage("add");
            for index in 1..10 {
                let left = if index == 1 { "number 0".to_owned() } else { format!("sum {}", index - 1) };
                builder = builder.factory_named::<add>(format!("sum {index}"), |wiring| {
                    wiring.take("left", left).take("right", format!("number {index}"))
                });
            }
            let pipeline = builder.keep("sum 4").build().unwrap();
            assert_eq!(pipeline.plan().factories.len(), 19);
            assert_eq!(pipeline.inputs_without_consumer().count(), 0);
            let run = pipeline.run().concurrency(3).await.unwrap();
            assert_eq!(run.find_named::<u64>("sum 9"), Some(&45));
            assert_eq!(run.find_named::<u64>("sum 4"), Some(&10), "it was kept");
            assert_eq!(run.find_named::<u64>("sum 5"), None, "it was taken");
            assert_eq!(run.find_named::<u32>("sum 9"), None, "it is of another type");
            assert_eq!(run.find_named::<u64>("sum 10"), None, "it is not there");
        });
    }

    #[test]
    fn a_named_factory_fails_under_its_name() {
        on_each_runtime(async || {
            let pipeline = Pipeline::builder("sums")
                .named_input("text", "x".to_owned())
                .stage("parse")
                .factory_named::<parse>("first", |wiring| wiring.take("text", "text"))
                .build();
            let error = pipeline.unwrap().run().await.unwrap_err();
            assert_eq!(
                format!("{:#}", setl::Error::from(error)),
                "pipeline `sums` failed: factory `first` of stage `parse` failed in process: \
                 invalid digit found in string"
            );
        });
    }

    #[test]
    fn factories_are_found_by_their_type() {
        on_each_runtime(async || {
            let pipeline = Pipeline::builder("sums")
                .input("text", "7".to_owned())
                .stage("parse")
                .factory::<parse>()
                .factory_named::<parse>("again", |wiring| wiring)
                .factory_named::<add>("twice", |wiring| wiring.take("right", "again"))
                .build();
            let run = pipeline.unwrap().run().await.unwrap();
            assert_eq!(run.find_named::<u64>("twice"), Some(&14));
            assert_eq!(run.find::<parse>(), None, "it was taken");
            assert_eq!(run.find::<add>(), None, "it has another name");
        });
    }

    #[factory]
    async fn pass() {
        tokio::task::yield_now().await;
    }

    #[test]
    fn stages_have_the_options_of_static_ones() {
        on_each_runtime(async || {
            let log = Log::default();
            let pipeline = Pipeline::builder("options")
                .stage("empty")
                .barrier()
                .stage("row")
                .sequential()
                .barrier()
                .factory_named::<pass>("a", |wiring| wiring)
                .factory_named::<pass>("b", |wiring| wiring)
                .stage("last")
                .factory_named::<pass>("c", |wiring| wiring)
                .build();
            pipeline.unwrap().run().observe(log.observer()).await.unwrap();
            let expected = ["a", "b", "c"].map(|name| [started(name), finished(name)]).concat();
            assert_eq!(log.all(), expected);
        });
    }

    struct Keeps(Latch);

    #[factory(output = ())]
    struct Writes {
        #[delivery(shared)]
        written: Arc<Keeps>,
    }

    impl Factory for Writes {
        async fn process(&mut self) -> Result<()> {
            Ok(())
        }

        async fn write(&mut self, _output: &()) -> Result<()> {
            self.written.0.open();
            Ok(())
        }
    }

    #[test]
    fn a_stage_may_leave_out_writes() {
        on_each_runtime(async || {
            for no_write in [false, true] {
                let written = Latch::default();
                let mut builder =
                    Pipeline::builder("w").input("written", Keeps(written.clone())).stage("only");
                if no_write {
                    builder = builder.no_write();
                }
                builder.factory::<Writes>().build().unwrap().run().await.unwrap();
                assert_eq!(written.is_open(), !no_write);
            }
        });
    }
}

/// The same wiring, as a type and as a value.
mod same_as_static {
    use super::*;

    struct Backup;

    #[factory(id = Backup)]
    fn fetch(context: Context) -> Orders {
        Orders(vec![context.factory().len() as u32])
    }

    #[factory(output = Vec<Option<u32>>, blocking)]
    struct Compare {
        #[delivery]
        orders: Orders,
        #[delivery(id = Backup)]
        backup: Orders,
        #[delivery(producer = sum)]
        total: Total,
        #[delivery(optional)]
        limit: Option<u64>,
        #[delivery(shared)]
        names: Arc<Vec<String>>,
        context: Option<u8>,
    }

    impl Factory for Compare {
        async fn process(&mut self) -> Result<Vec<Option<u32>>> {
            assert!(self.context.is_none());
            let limit = self.limit.map(|limit| limit as u32);
            let orders = self.orders.0.len() as u32;
            let backup = self.backup.0[0];
            Ok(vec![Some(orders), Some(backup), Some(self.total.0), limit, Some(self.names.len() as u32)])
        }
    }

    #[pipeline(
        #[barrier] extract(read, fetch),
        #[sequential] transform(sum, Compare),
        #[no_write] load(report),
        keep(sum),
    )]
    struct Daily {
        #[delivery(optional)]
        limit: Option<u64>,
        names: Vec<String>,
        title: String,
    }

    fn pipeline() -> Pipeline {
        Pipeline::builder("Daily")
            .optional_input("limit", Some(9u64))
            .input("names", vec!["a".to_owned(), "b".to_owned()])
            .input("title", "sum".to_owned())
            .stage("extract")
            .barrier()
            .factory::<read>()
            .factory::<fetch>()
            .stage("transform")
            .sequential()
            .factory::<sum>()
            .factory::<Compare>()
            .stage("load")
            .no_write()
            .factory::<report>()
            .keep("sum")
            .build()
            .unwrap()
    }

    #[test]
    fn they_are_described_alike() {
        assert_eq!(pipeline().describe(), Daily::describe());
        assert_eq!(pipeline().diagram().mermaid(), Daily::diagram().mermaid());
        assert_eq!(pipeline().diagram().dot(), Daily::diagram().dot());
    }

    #[test]
    fn they_have_the_same_plan() {
        let (dynamic, fixed) = (pipeline(), Daily::plan());
        let dynamic = dynamic.plan();
        assert_eq!(dynamic.waits, fixed.waits);
        assert_eq!(dynamic.levels, fixed.levels);
        assert_eq!(dynamic.offsets, fixed.offsets);
        for node in 0..fixed.waits.len() {
            let sorted = |successors: &[u32]| {
                let mut successors = successors.to_vec();
                successors.sort_unstable();
                successors
            };
            assert_eq!(sorted(dynamic.successors(node)), sorted(fixed.successors(node)));
        }
        for (dynamic, fixed) in dynamic.factories.iter().zip(fixed.factories.iter()) {
            assert_eq!(dynamic.name, fixed.name);
            assert_eq!(dynamic.sources, fixed.sources);
            assert_eq!(
                (dynamic.stage, dynamic.kept, dynamic.blocking),
                (fixed.stage, fixed.kept, fixed.blocking)
            );
        }
    }

    #[test]
    fn they_come_to_the_same() {
        on_each_runtime(async || {
            let names = vec!["a".to_owned(), "b".to_owned()];
            let fixed = Daily { limit: Some(9), names, title: "sum".to_owned() }.run().await.unwrap();
            let dynamic = pipeline().run().await.unwrap();
            assert_eq!(dynamic.find::<Compare>(), Some(fixed.get::<Compare>()));
            assert_eq!(dynamic.find::<report>(), Some(fixed.get::<report>()));
            assert_eq!(dynamic.find::<sum>().unwrap().0, fixed.get::<sum>().0);
            assert_eq!(fixed.get::<Compare>(), &[Some(3), Some(5), Some(6), Some(9), Some(2)]);
            assert_eq!(fixed.get::<report>().0, "sum: 6");
        });
    }

    #[test]
    fn an_input_may_have_an_id() {
        on_each_runtime(async || {
            let pipeline = Pipeline::builder("ids")
                .input_with_id::<Backup, _>("backup", Orders(vec![1]))
                .input("names", Vec::<String>::new())
                .optional_input::<u64>("limit", None)
                .stage("only")
                .factory::<read>()
                .factory::<sum>()
                .factory::<Compare>()
                .build()
                .unwrap();
            assert!(pipeline.describe().contains("  backup: Orders [Backup]\n"), "{}", pipeline.describe());
            let run = pipeline.run().await.unwrap();
            assert_eq!(run.find::<Compare>().unwrap(), &[Some(3), Some(1), Some(6), None, Some(0)]);
        });
    }
}
