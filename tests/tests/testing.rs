//! `setl::testing`: a factory alone, and a pipeline with factories replaced.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use setl::prelude::*;
use setl::run::{Phase, RunStatus, Status};
use setl::{Error, testing};
use setl_tests::{Latch, Ledger, Log, Parcel, failed, finished, not_run, of_run, on_each_runtime, started};

#[derive(Clone, Debug, PartialEq)]
struct Orders(Vec<u32>);

#[derive(Clone, Debug, PartialEq)]
struct Total(u32);

mod alone {
    use super::*;

    #[factory(output = Total)]
    struct Sum {
        #[delivery]
        orders: Orders,
        #[delivery(shared)]
        factor: Arc<u32>,
        #[delivery(optional)]
        bonus: Option<u64>,
        #[delivery]
        steps: Steps,
        read: u32,
    }

    #[derive(Clone, Default)]
    struct Steps(Log<Phase>);

    impl Factory for Sum {
        async fn read(&mut self) -> Result<()> {
            self.steps.0.push(Phase::Read);
            self.read = 1;
            Ok(())
        }

        async fn process(&mut self) -> Result<Total> {
            self.steps.0.push(Phase::Process);
            let sum: u32 = self.orders.0.iter().sum();
            Ok(Total(sum * *self.factor + self.bonus.unwrap_or(0) as u32 + self.read))
        }

        async fn write(&mut self, output: &Total) -> Result<()> {
            self.steps.0.push(Phase::Write);
            if output.0 == 1 { Err(Error::msg("nothing to write")) } else { Ok(()) }
        }
    }

    #[test]
    fn a_factory_lives_its_whole_life() {
        on_each_runtime(async || {
            let steps = Steps::default();
            let deliveries = (Orders(vec![1, 2]), Arc::new(10), Some(5), steps.clone());
            assert_eq!(testing::factory::<Sum>(deliveries).await.unwrap(), Total(36));
            assert_eq!(steps.0.all(), [Phase::Read, Phase::Process, Phase::Write]);
            let error =
                testing::factory::<Sum>((Orders(vec![]), Arc::new(0), None, steps)).await.unwrap_err();
            assert_eq!(error.to_string(), "nothing to write");
        });
    }

    #[factory]
    fn thread_of(_orders: Orders) -> std::thread::ThreadId {
        std::thread::current().id()
    }

    #[test]
    fn a_blocking_factory_runs_where_it_may_block() {
        on_each_runtime(async || {
            let thread = testing::factory::<thread_of>((Orders(vec![]),)).await.unwrap();
            assert_ne!(thread, std::thread::current().id());
        });
    }

    #[factory(blocking)]
    async fn waits(latch: Latch) -> u32 {
        latch.opened().await;
        setl::blocking(|| 3).await
    }

    #[test]
    fn a_blocking_factory_may_wait() {
        on_each_runtime(async || {
            let latch = Latch::default();
            let (three, ()) =
                tokio::join!(testing::factory::<waits>((latch.clone(),)), async { latch.open() });
            assert_eq!(three.unwrap(), 3);
        });
    }

    #[factory]
    async fn knows(context: Context) -> Result<String> {
        context.progress(1, None);
        assert!(!context.is_cancelled());
        Ok(format!("{}/{}", context.pipeline(), context.factory()))
    }

    #[test]
    fn a_context_stands_alone() {
        on_each_runtime(async || {
            assert_eq!(testing::factory::<knows>((testing::context(),)).await.unwrap(), "test/test");
        });
    }

    #[factory]
    fn fails(_orders: Orders) -> Result<Total> {
        Err(Error::msg("no").context("cannot"))
    }

    #[test]
    fn the_error_is_the_one_of_the_factory() {
        on_each_runtime(async || {
            let error = testing::factory::<fails>((Orders(vec![]),)).await.unwrap_err();
            assert_eq!(format!("{error:#}"), "cannot: no");
        });
    }

    #[test]
    fn a_function_is_still_a_function() {
        assert_eq!(fails(Orders(vec![])).unwrap_err().to_string(), "cannot");
    }
}

mod replaced {
    use super::*;

    #[derive(Clone, Default)]
    struct Calls(Arc<AtomicUsize>);

    #[factory]
    async fn fetch(calls: Calls, parcel: Parcel) -> Result<Orders> {
        calls.0.fetch_add(1, Ordering::SeqCst);
        Ok(Orders(vec![parcel.value as u32]))
    }

    #[factory]
    fn sum(orders: Orders) -> Total {
        Total(orders.0.iter().sum())
    }

    #[factory(output = u64)]
    struct Also {
        #[delivery]
        parcel: Parcel,
        #[delivery]
        calls: Calls,
    }

    impl Factory for Also {
        async fn process(&mut self) -> Result<u64> {
            Ok(self.parcel.value)
        }

        async fn write(&mut self, _output: &u64) -> Result<()> {
            self.calls.0.fetch_add(100, Ordering::SeqCst);
            Ok(())
        }
    }

    #[pipeline(extract(fetch), transform(sum, Also))]
    struct Daily {
        calls: Calls,
        parcel: Parcel,
    }

    fn daily() -> (Daily, Calls, Arc<Ledger>) {
        let (calls, ledger) = (Calls::default(), Arc::new(Ledger::default()));
        (Daily { calls: calls.clone(), parcel: ledger.parcel(5, 1) }, calls, ledger)
    }

    #[test]
    fn nothing_replaced_is_a_plain_run() {
        on_each_runtime(async || {
            let (daily, calls, ledger) = daily();
            let run = testing::pipeline(daily).run().await.unwrap();
            assert_eq!((run.get::<sum>(), run.get::<Also>()), (&Total(5), &5));
            assert_eq!(calls.0.load(Ordering::SeqCst), 101);
            assert_eq!((ledger.clones(), ledger.live()), (1, 0));
        });
    }

    #[test]
    fn a_replaced_factory_does_not_run() {
        on_each_runtime(async || {
            let (daily, calls, ledger) = daily();
            let log = Log::default();
            let run = testing::pipeline(daily).replace::<fetch>(Orders(vec![1, 2])).run();
            let run = run.observe(log.observer()).await.unwrap();
            assert_eq!((run.get::<sum>(), run.get::<Also>()), (&Total(3), &5));
            assert_eq!(calls.0.load(Ordering::SeqCst), 100);
            assert_eq!(run.entry("fetch").unwrap().status, Status::Succeeded);
            log.assert_before(&started("fetch"), &finished("fetch"));
            log.assert_before(&finished("fetch"), &started("sum"));
            assert_eq!(ledger.live(), 0, "its deliveries are released");
            assert!(ledger.clones() <= 1);
        });
    }

    /// Its delivery goes to the other consumer, without a clone if that comes later.
    #[test]
    fn deliveries_of_a_replaced_factory_go_to_nobody() {
        on_each_runtime(async || {
            let (daily, _, ledger) = daily();
            let run = testing::pipeline(daily).replace::<fetch>(Orders(vec![])).run();
            run.concurrency(1).await.unwrap();
            assert_eq!((ledger.clones(), ledger.live()), (0, 0));
        });
    }

    #[test]
    fn a_stand_in_may_wait() {
        on_each_runtime(async || {
            let (daily, ..) = daily();
            let run = testing::pipeline(daily).replace_with::<fetch, _>(async || {
                tokio::task::yield_now().await;
                Ok(Orders(vec![setl::blocking(|| 8).await]))
            });
            assert_eq!(run.run().await.unwrap().get::<sum>(), &Total(8));
        });
    }

    #[test]
    fn a_factory_is_made_to_fail() {
        on_each_runtime(async || {
            let (daily, calls, ledger) = daily();
            let log = Log::default();
            let run = testing::pipeline(daily).fail::<fetch>("service is down").run();
            let error = run.concurrency(1).observe(log.observer()).await.unwrap_err();
            let (sum, also) = (not_run("sum", Some("fetch")), not_run("Also", None));
            let events = [started("fetch"), failed("fetch"), sum, also];
            assert_eq!(log.all(), of_run(3, events, RunStatus::Failed));
            assert_eq!(
                format!("{:#}", Error::from(error)),
                "pipeline `Daily` failed: factory `fetch` of stage `extract` failed in process: service is down"
            );
            assert_eq!(calls.0.load(Ordering::SeqCst), 0);
            assert_eq!(ledger.live(), 0);
        });
    }

    #[test]
    fn a_stand_in_may_panic() {
        on_each_runtime(async || {
            let (daily, ..) = daily();
            let run = testing::pipeline(daily)
                .replace_with::<fetch, std::future::Ready<Result<Orders>>>(|| panic!("not today"));
            let error = run.run().await.unwrap_err();
            let failure = error.failures()[0].to_string();
            assert!(
                failure
                    .starts_with("factory `fetch` of stage `extract` panicked in process: not today (tests"),
                "{failure}"
            );
        });
    }

    #[test]
    fn a_stand_in_that_waits_is_dropped_with_the_run() {
        on_each_runtime(async || {
            let (daily, ..) = daily();
            let (begun, dropped) = (Latch::default(), Latch::default());
            let (begins, guard) = (begun.clone(), dropped.on_drop());
            let run = testing::pipeline(daily)
                .replace_with::<fetch, _>(async move || {
                    let _guard = guard;
                    begins.open();
                    std::future::pending().await
                })
                .replace_with::<Also, _>(async move || {
                    begun.opened().await;
                    Err(Error::msg("enough"))
                });
            let error = run.run().await.unwrap_err();
            assert!(dropped.is_open());
            assert_eq!(error.report().unwrap().entry("fetch").unwrap().status, Status::Cancelled);
        });
    }

    #[test]
    fn several_are_replaced() {
        on_each_runtime(async || {
            let (daily, calls, ledger) = daily();
            let run = testing::pipeline(daily)
                .replace::<Also>(77)
                .replace::<fetch>(Orders(vec![4]))
                .replace::<sum>(Total(9));
            let run = run.run().await.unwrap();
            assert_eq!((run.get::<sum>(), run.get::<Also>()), (&Total(9), &77));
            assert_eq!(calls.0.load(Ordering::SeqCst), 0);
            assert_eq!((ledger.clones(), ledger.live()), (0, 0));
        });
    }
}
