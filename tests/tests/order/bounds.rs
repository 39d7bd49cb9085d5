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
            many::<meets_blocking>(3 * bound, blocking(bound)).run().blocking_threads(bound).await.unwrap();
            many::<meets_in_blocking>(3 * bound, blocking(bound))
                .run()
                .blocking_threads(bound)
                .await
                .unwrap();
            let at = Arc::new(Meter::default());
            many::<counts_blocking>(12, At(Arc::clone(&at))).run().blocking_threads(bound).await.unwrap();
            many::<counts_in_blocking>(12, At(Arc::clone(&at))).run().blocking_threads(bound).await.unwrap();
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

#[factory(memory = "10 GiB")]
async fn needs_much(#[delivery(shared)] at: Arc<Async>) {
    let _inside = at.meter.enter();
    at.barrier.wait().await;
    assert!(at.meter.most() <= 2, "{} of ten gibibytes at once", at.meter.most());
}

#[factory(memory = "1 GiB")]
async fn needs_little(at: At) {
    let _inside = at.0.enter();
    dawdle().await;
}

/// Two of ten gibibytes each fit into 25 at once, and meet; three do not. What is small runs beside them.
#[test]
fn factories_start_when_their_memory_is_free() {
    on_each_runtime(async || {
        for bound in [None, Some(3)] {
            let large = Async { meter: Meter::default(), barrier: tokio::sync::Barrier::new(2) };
            let small = Arc::new(Meter::default());
            let mut builder =
                Pipeline::builder("many").input("large", large).input("small", At(small.clone()));
            builder = builder.stage("all");
            for index in 0..6 {
                builder = builder.factory_named::<needs_much>(format!("large {index}"), |wiring| wiring);
                builder = builder.factory_named::<needs_little>(format!("small {index}"), |wiring| wiring);
            }
            let mut run = builder.build().unwrap().run().memory_limit(25 << 30);
            if let Some(bound) = bound {
                run = run.concurrency(bound);
            }
            let run = run.await.unwrap();
            assert_eq!(run.report().memory().unwrap().limit, 25 << 30);
            assert_eq!(small.entered(), 6);
        }
    });
}

/// None of them waits for ever, in whatever order they come.
#[test]
fn all_run_although_each_needs_nearly_everything() {
    on_each_runtime(async || {
        let at = Arc::new(Meter::default());
        let mut builder = Pipeline::builder("many").input("at", At(Arc::clone(&at))).stage("all");
        for index in 0..20 {
            builder = builder.factory_named::<needs_little>(format!("number {index}"), |wiring| wiring);
        }
        builder.build().unwrap().run().memory_limit(3 << 29).await.unwrap();
        assert_eq!((at.entered(), at.most()), (20, 1));
    });
}
