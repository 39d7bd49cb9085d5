//! Who runs when: what overlaps, what waits, what is bounded, and what is told of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use setl::prelude::*;
use setl::run::{Phase, Status};
use setl_tests::{Latch, Log, Meter, Seen, finished, on_each_runtime, started};

mod overlap {
    use super::*;

    struct Waiting(tokio::sync::Barrier);
    struct Blocking(std::sync::Barrier);

    #[factory]
    async fn left(#[delivery(shared)] barrier: Arc<Waiting>) {
        barrier.0.wait().await;
    }

    #[factory]
    async fn right(#[delivery(shared)] barrier: Arc<Waiting>) {
        barrier.0.wait().await;
    }

    #[pipeline(both(left, right))]
    struct Async {
        barrier: Waiting,
    }

    #[test]
    fn async_factories_overlap() {
        on_each_runtime(async || {
            Async { barrier: Waiting(tokio::sync::Barrier::new(2)) }.run().await.unwrap();
        });
    }

    #[factory]
    fn upper(#[delivery(shared)] barrier: Arc<Blocking>) {
        barrier.0.wait();
    }

    #[factory]
    fn lower(#[delivery(shared)] barrier: Arc<Blocking>) {
        barrier.0.wait();
    }

    #[pipeline(both(upper, lower))]
    struct Threads {
        barrier: Blocking,
    }

    #[test]
    fn blocking_factories_overlap() {
        on_each_runtime(async || {
            Threads { barrier: Blocking(std::sync::Barrier::new(2)) }.run().await.unwrap();
        });
    }

    #[factory]
    fn thread(latch: Latch) {
        latch.block();
    }

    #[factory]
    async fn task(latch: Latch) {
        tokio::task::yield_now().await;
        latch.open();
    }

    #[pipeline(both(thread, task))]
    struct Mixed {
        latch: Latch,
    }

    #[test]
    fn blocking_work_does_not_hold_up_async_work() {
        on_each_runtime(async || {
            Mixed { latch: Latch::default() }.run().await.unwrap();
        });
    }
}

mod readiness {
    use super::*;

    #[derive(Clone)]
    struct Quick;

    #[factory]
    fn quick() -> Quick {
        Quick
    }

    #[factory]
    async fn slow(latch: Latch) {
        latch.opened().await;
    }

    #[factory]
    fn consumer(_quick: Quick, latch: Latch) {
        latch.open();
    }

    #[pipeline(extract(quick, slow), transform(consumer))]
    struct Early {
        latch: Latch,
    }

    /// `slow` ends only because `consumer` starts before.
    #[test]
    fn a_consumer_starts_while_a_neighbour_of_its_producer_runs() {
        on_each_runtime(async || {
            let log = Log::default();
            Early { latch: Latch::default() }.run().observe(log.observer()).await.unwrap();
            log.assert_before(&started("consumer"), &finished("slow"));
            log.assert_before(&finished("quick"), &started("consumer"));
        });
    }

    #[derive(Clone)]
    struct Slow;

    #[factory]
    async fn later() -> Slow {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        Slow
    }

    #[factory]
    fn join(_quick: Quick, _slow: Slow) {}

    #[pipeline(transform(join), extract(quick, later))]
    struct FanIn;

    /// Stages group; where the consumer is listed does not matter.
    #[test]
    fn a_consumer_waits_for_all_its_producers() {
        on_each_runtime(async || {
            let log = Log::default();
            FanIn.run().observe(log.observer()).await.unwrap();
            log.assert_before(&finished("quick"), &started("join"));
            log.assert_before(&finished("later"), &started("join"));
        });
    }
}

/// Gives way often, so that anything which may come before it does.
async fn dawdle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[factory]
async fn first() {
    dawdle().await;
}

#[factory]
fn second() {}

#[factory]
async fn third() {
    dawdle().await;
}

#[factory]
async fn fourth() {}

#[factory]
fn fifth() {}

mod barriers {
    use super::*;

    #[pipeline(
        #[barrier] one(first, second),
        two(third),
        #[barrier] three(fourth),
        four(fifth),
    )]
    struct Barriers;

    fn check(log: &Log) {
        for before in ["first", "second"] {
            for after in ["third", "fourth", "fifth"] {
                log.assert_before(&finished(before), &started(after));
            }
        }
        // A barrier holds back until all stages before it have finished, not only its own.
        log.assert_before(&finished("third"), &started("fifth"));
        log.assert_before(&finished("fourth"), &started("fifth"));
    }

    #[test]
    fn nothing_passes_a_barrier() {
        on_each_runtime(async || {
            let log = Log::default();
            Barriers.run().observe(log.observer()).await.unwrap();
            check(&log);
        });
    }

    #[test]
    fn barriers_hold_under_a_bound() {
        on_each_runtime(async || {
            for bound in 1..=3 {
                let log = Log::default();
                Barriers.run().concurrency(bound).observe(log.observer()).await.unwrap();
                check(&log);
            }
        });
    }

    #[pipeline(one(first), #[barrier] two(second))]
    struct AtTheEnd;

    #[test]
    fn a_barrier_may_be_last() {
        on_each_runtime(async || {
            let run = AtTheEnd.run().concurrency(1).await.unwrap();
            assert!(run.entries().iter().all(|entry| entry.status == Status::Succeeded));
        });
    }
}

mod sequence {
    use super::*;

    #[pipeline(#[sequential] all(first, second, third, fourth, fifth))]
    struct Sequence;

    #[test]
    fn a_sequential_stage_runs_in_the_listed_order() {
        on_each_runtime(async || {
            let log = Log::default();
            Sequence.run().observe(log.observer()).await.unwrap();
            let names = ["first", "second", "third", "fourth", "fifth"];
            let expected: Vec<_> = names.iter().flat_map(|name| [started(name), finished(name)]).collect();
            assert_eq!(log.all(), expected);
        });
    }

    #[factory]
    async fn outside(latch: Latch) {
        latch.opened().await;
    }

    #[factory]
    fn opens(latch: Latch) {
        latch.open();
    }

    #[pipeline(free(outside), #[sequential] row(third, opens))]
    struct Beside {
        latch: Latch,
    }

    /// A sequential stage is not a barrier.
    #[test]
    fn other_stages_run_beside_a_sequential_one() {
        on_each_runtime(async || {
            let log = Log::default();
            Beside { latch: Latch::default() }.run().observe(log.observer()).await.unwrap();
            log.assert_before(&finished("third"), &started("opens"));
            log.assert_before(&started("opens"), &finished("outside"));
        });
    }
}

mod bounds {
    use super::*;

    struct Async {
        meter: Meter,
        barrier: tokio::sync::Barrier,
    }

    #[factory]
    async fn meets(#[delivery(shared)] at: Arc<Async>) {
        let _inside = at.meter.enter();
        at.barrier.wait().await;
    }

    struct Blocking {
        meter: Meter,
        barrier: std::sync::Barrier,
    }

    #[factory]
    fn meets_blocking(#[delivery(shared)] at: Arc<Blocking>) {
        let _inside = at.meter.enter();
        at.barrier.wait();
    }

    #[factory]
    async fn meets_in_blocking(#[delivery(shared)] at: Arc<Blocking>) {
        setl::blocking(move || {
            let _inside = at.meter.enter();
            at.barrier.wait();
        })
        .await;
    }

    /// So many named factories in one stage, with one input.
    fn many<F: Factory>(count: usize, input: impl Send + Sync + 'static) -> Pipeline {
        let mut builder = Pipeline::builder("many").input("at", input).stage("all");
        for index in 0..count {
            builder = builder.factory_named::<F>(format!("number {index}"), |wiring| wiring);
        }
        builder.build().unwrap()
    }

    #[derive(Clone)]
    struct At(Arc<Meter>);

    /// Groups of `bound` meet, which shows that so many run at once; the meter shows that no more do.
    #[test]
    fn concurrency_is_reached_and_not_exceeded() {
        on_each_runtime(async || {
            for bound in 1..=4 {
                let at = Async { meter: Meter::default(), barrier: tokio::sync::Barrier::new(bound) };
                let run = many::<meets>(3 * bound, at).run().concurrency(bound);
                run.await.unwrap();
                let at = Arc::new(Meter::default());
                many::<counts>(12, At(Arc::clone(&at))).run().concurrency(bound).await.unwrap();
                assert_eq!(at.entered(), 12);
                assert!(at.most() <= bound, "{} at once", at.most());
            }
        });
    }

    #[factory]
    async fn counts(at: At) {
        let _inside = at.0.enter();
        dawdle().await;
    }

    #[factory]
    fn counts_blocking(at: At) {
        let _inside = at.0.enter();
        std::thread::yield_now();
    }

    #[factory]
    async fn counts_in_blocking(at: At) {
        setl::blocking(move || {
            let _inside = at.0.enter();
            std::thread::yield_now();
        })
        .await;
    }

    #[test]
    fn concurrency_bounds_blocking_factories() {
        on_each_runtime(async || {
            for bound in 1..=4 {
                let at = Arc::new(Meter::default());
                many::<counts_blocking>(12, At(Arc::clone(&at))).run().concurrency(bound).await.unwrap();
                assert_eq!(at.entered(), 12);
                assert!(at.most() <= bound, "{} at once", at.most());
            }
        });
    }

    #[test]
    fn zero_is_taken_as_one() {
        on_each_runtime(async || {
            let at = Arc::new(Meter::default());
            let run = many::<counts_blocking>(5, At(Arc::clone(&at))).run();
            run.concurrency(0).blocking_threads(0).await.unwrap();
            assert_eq!((at.entered(), at.most()), (5, 1));
        });
    }

    fn blocking(bound: usize) -> Blocking {
        Blocking { meter: Meter::default(), barrier: std::sync::Barrier::new(bound) }
    }

    #[test]
    fn blocking_threads_are_reached_and_not_exceeded() {
        on_each_runtime(async || {
            for bound in 1..=4 {
                many::<meets_blocking>(3 * bound, blocking(bound))
                    .run()
                    .blocking_threads(bound)
                    .await
                    .unwrap();
                many::<meets_in_blocking>(3 * bound, blocking(bound))
                    .run()
                    .blocking_threads(bound)
                    .await
                    .unwrap();
                let at = Arc::new(Meter::default());
                many::<counts_blocking>(12, At(Arc::clone(&at))).run().blocking_threads(bound).await.unwrap();
                many::<counts_in_blocking>(12, At(Arc::clone(&at)))
                    .run()
                    .blocking_threads(bound)
                    .await
                    .unwrap();
                assert_eq!(at.entered(), 24);
                assert!(at.most() <= bound, "{} at once", at.most());
            }
        });
    }

    #[test]
    fn eight_block_at_once_on_any_machine() {
        on_each_runtime(async || {
            many::<meets_blocking>(8, blocking(8)).run().await.unwrap();
        });
    }

    #[factory]
    async fn meets_all(#[delivery(shared)] at: Arc<Async>) {
        at.barrier.wait().await;
    }

    #[test]
    fn async_factories_are_unbounded_unless_told() {
        on_each_runtime(async || {
            let at = Async { meter: Meter::default(), barrier: tokio::sync::Barrier::new(100) };
            many::<meets_all>(100, at).run().await.unwrap();
        });
    }

    /// In a blocking factory, `blocking` goes on where it is: with one thread, it would wait for itself.
    #[factory(blocking)]
    async fn nests() -> u32 {
        setl::blocking(|| 1).await + 1
    }

    #[pipeline(only(nests))]
    struct Nests;

    #[test]
    fn blocking_in_a_blocking_factory_needs_no_second_thread() {
        on_each_runtime(async || {
            assert_eq!(*Nests.run().blocking_threads(1).await.unwrap().get::<nests>(), 2);
        });
    }

    #[factory]
    async fn runs_another() -> u32 {
        let run = Nests.run().blocking_threads(1).await.unwrap();
        *run.get::<nests>()
    }

    #[pipeline(only(runs_another))]
    struct Outer;

    #[test]
    fn a_factory_can_run_a_pipeline() {
        on_each_runtime(async || {
            let run = Outer.run().concurrency(1).blocking_threads(1).await.unwrap();
            assert_eq!(*run.get::<runs_another>(), 2);
        });
    }
}

mod once {
    use super::*;

    struct Runs(Vec<AtomicUsize>);

    #[factory]
    async fn one(#[delivery(shared)] runs: Arc<Runs>, context: Context) -> u32 {
        let index: usize = context.factory().parse().unwrap();
        runs.0[index].fetch_add(1, Ordering::SeqCst);
        if index.is_multiple_of(3) {
            tokio::task::yield_now().await;
        }
        1
    }

    #[factory]
    fn next(#[delivery(shared)] runs: Arc<Runs>, context: Context, before: u32) -> u32 {
        let index: usize = context.factory().parse().unwrap();
        runs.0[index].fetch_add(1, Ordering::SeqCst);
        before + 1
    }

    /// Ten rows of ten; each but the first takes from the row before, three of them from the same.
    #[test]
    fn nothing_runs_twice() {
        on_each_runtime(async || {
            for bound in [None, Some(1), Some(3)] {
                let log = Log::default();
                let mut builder = Pipeline::builder("grid")
                    .input("runs", Runs((0..100).map(|_| AtomicUsize::new(0)).collect()));
                for row in 0..10 {
                    builder = builder.stage(format!("row {row}"));
                    for column in 0..10 {
                        let name = (row * 10 + column).to_string();
                        builder = if row == 0 {
                            builder.factory_named::<one>(name, |wiring| wiring)
                        } else {
                            let before = ((row - 1) * 10 + column / 3).to_string();
                            builder.factory_named::<next>(name, |wiring| wiring.take("before", before))
                        };
                    }
                }
                let mut run = builder.build().unwrap().run().observe(log.observer());
                if let Some(bound) = bound {
                    run = run.concurrency(bound);
                }
                let run = run.await.unwrap();
                assert_eq!(run.find_named::<u32>("99"), Some(&10));
                for index in 0..100 {
                    log.assert_before(&started(&index.to_string()), &finished(&index.to_string()));
                }
                assert_eq!(log.all().len(), 200);
            }
        });
    }
}

mod inline {
    use super::*;

    /// Nothing for the future of the run, which `block_on` polls outside of any task.
    type Task = Option<tokio::task::Id>;

    #[derive(Clone)]
    struct A(Task);
    #[derive(Clone)]
    struct B(Task);

    #[factory]
    async fn a() -> A {
        A(tokio::task::try_id())
    }

    #[factory]
    async fn b(a: A) -> B {
        assert_eq!(a.0, tokio::task::try_id());
        tokio::task::yield_now().await;
        B(tokio::task::try_id())
    }

    #[factory]
    async fn c(b: B) -> bool {
        b.0 == tokio::task::try_id()
    }

    #[pipeline(only(a, b, c))]
    struct Chain;

    #[test]
    fn a_chain_continues_in_the_same_task() {
        on_each_runtime(async || {
            assert!(*Chain.run().await.unwrap().get::<c>());
            assert!(*Chain.run().concurrency(2).await.unwrap().get::<c>());
        });
    }

    #[factory]
    async fn one(a: A, same: Same) {
        same.0.fetch_add(usize::from(a.0 == tokio::task::try_id()), Ordering::SeqCst);
    }

    #[factory]
    async fn two(a: A, same: Same) {
        same.0.fetch_add(usize::from(a.0 == tokio::task::try_id()), Ordering::SeqCst);
    }

    #[derive(Clone)]
    struct Same(Arc<AtomicUsize>);

    #[pipeline(from(a), to(one, two))]
    struct Fork {
        same: Same,
    }

    #[test]
    fn at_least_one_of_several_continues_in_the_same_task() {
        on_each_runtime(async || {
            let same = Same(Arc::default());
            Fork { same: same.clone() }.run().await.unwrap();
            assert!(same.0.load(Ordering::SeqCst) >= 1);
        });
    }
}

mod events {
    use super::*;

    #[derive(Clone)]
    struct Pages(u64);

    #[factory]
    async fn count(context: Context) -> Pages {
        context.progress(1, None);
        tokio::task::yield_now().await;
        context.progress(2, Some(2));
        Pages(2)
    }

    #[factory]
    fn print(pages: Pages, context: Context) -> Vec<u64> {
        context.progress(pages.0, Some(7));
        vec![pages.0; 3]
    }

    #[pipeline(read(count), write(print))]
    struct Paper;

    #[test]
    fn events_come_in_order() {
        on_each_runtime(async || {
            let (log, other) = (Log::default(), Log::default());
            Paper.run().observe(log.observer()).observe(other.observer()).await.unwrap();
            let progress = |factory: &str, done, total| Seen::Progress(factory.to_owned(), done, total);
            let expected = [
                started("count"),
                progress("count", 1, None),
                progress("count", 2, Some(2)),
                finished("count"),
                started("print"),
                progress("print", 2, Some(7)),
                finished("print"),
            ];
            assert_eq!(log.all(), expected);
            assert_eq!(other.all(), expected, "every observer sees every event");
        });
    }

    #[test]
    fn the_report_lists_factories_by_stage() {
        on_each_runtime(async || {
            let run = Paper.run().await.unwrap();
            let entries: Vec<_> = run
                .entries()
                .iter()
                .map(|entry| (&*entry.stage, &*entry.factory, entry.status, entry.rows))
                .collect();
            assert_eq!(
                entries,
                [("read", "count", Status::Succeeded, None), ("write", "print", Status::Succeeded, Some(3))]
            );
            assert_eq!(run.report().pipeline(), "Paper");
            assert!(run.entry("nobody").is_none());
            let (count, print) = (run.entry("count").unwrap(), run.entry("print").unwrap());
            assert!(count.timing.start + count.timing.total() <= print.timing.start);
            assert!(print.timing.start + print.timing.total() <= run.makespan());
            let text = run.to_string();
            assert!(text.starts_with(&format!("pipeline Paper (run {})\n", run.run_id())), "{text}");
        });
    }

    #[factory]
    fn facts(context: Context) -> (String, String, String, bool) {
        (
            context.run_id().to_string(),
            context.pipeline().to_owned(),
            context.factory().to_owned(),
            context.is_cancelled() || context.cancellation().is_cancelled(),
        )
    }

    #[pipeline(only(facts))]
    struct Facts;

    #[test]
    fn the_context_knows_its_run() {
        on_each_runtime(async || {
            let run = Facts.run().await.unwrap();
            let (id, pipeline, factory, cancelled) = run.get::<facts>();
            assert_eq!(*id, run.run_id().to_string());
            assert_eq!((&**pipeline, &**factory, *cancelled), ("Facts", "facts", false));
            assert!(run.run_id() < Facts.run().await.unwrap().run_id(), "later runs sort after earlier ones");
        });
    }
}

mod life_cycle {
    use super::*;

    #[derive(Clone)]
    struct Steps(Log<(&'static str, Phase)>);

    #[factory(output = u32)]
    struct Async {
        #[delivery]
        steps: Steps,
        read: u32,
    }

    impl Factory for Async {
        async fn read(&mut self) -> Result<()> {
            self.steps.0.push(("Async", Phase::Read));
            self.read = 7;
            Ok(())
        }

        async fn process(&mut self) -> Result<u32> {
            self.steps.0.push(("Async", Phase::Process));
            Ok(self.read + 1)
        }

        async fn write(&mut self, output: &u32) -> Result<()> {
            assert_eq!(*output, 8);
            self.steps.0.push(("Async", Phase::Write));
            Ok(())
        }
    }

    #[factory(output = (), blocking)]
    struct Blocking {
        #[delivery]
        steps: Steps,
        #[delivery]
        eight: u32,
    }

    impl Factory for Blocking {
        async fn process(&mut self) -> Result<()> {
            assert_eq!(self.eight, 8);
            self.steps.0.push(("Blocking", Phase::Process));
            Ok(())
        }

        async fn write(&mut self, _output: &()) -> Result<()> {
            self.steps.0.push(("Blocking", Phase::Write));
            Ok(())
        }
    }

    #[pipeline(make(Async), use_it(Blocking))]
    struct Writes {
        steps: Steps,
    }

    #[pipeline(#[no_write] make(Async), use_it(Blocking))]
    struct HalfDry {
        steps: Steps,
    }

    const READ: (&str, Phase) = ("Async", Phase::Read);
    const PROCESS: (&str, Phase) = ("Async", Phase::Process);
    const WRITE: (&str, Phase) = ("Async", Phase::Write);
    const USE: (&str, Phase) = ("Blocking", Phase::Process);
    const WRITE_USE: (&str, Phase) = ("Blocking", Phase::Write);

    #[test]
    fn a_factory_reads_processes_and_writes() {
        on_each_runtime(async || {
            let steps = Log::default();
            Writes { steps: Steps(steps.clone()) }.run().await.unwrap();
            assert_eq!(steps.all(), [READ, PROCESS, WRITE, USE, WRITE_USE]);
        });
    }

    #[test]
    fn a_run_without_writes() {
        on_each_runtime(async || {
            let steps = Log::default();
            Writes { steps: Steps(steps.clone()) }.run().no_write().await.unwrap();
            assert_eq!(steps.all(), [READ, PROCESS, USE]);
        });
    }

    #[test]
    fn a_stage_without_writes() {
        on_each_runtime(async || {
            let steps = Log::default();
            HalfDry { steps: Steps(steps.clone()) }.run().await.unwrap();
            assert_eq!(steps.all(), [READ, PROCESS, USE, WRITE_USE]);
        });
    }
}
