//! What happens when something goes wrong: errors, panics, cancellation, runtimes that are not there or go away.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use setl::prelude::*;
use setl::run::{Cause, Phase, Status};
use setl::{CancellationToken, Error, Event, RunError};
use setl_tests::{
    Latch, Ledger, Log, Parcel, cancelled, failed, finished, on_each_runtime, runtime, started, until,
    wait_for, watched,
};

/// What a factory is told to do wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Error,
    Panic,
}

/// Where, what, and whether after it has waited once.
#[derive(Clone, Copy, Debug)]
struct Script {
    phase: Phase,
    fault: Fault,
    late: bool,
}

impl Script {
    async fn play(self, phase: Phase) -> Result<()> {
        if self.late {
            tokio::task::yield_now().await;
        }
        match self.fault {
            _ if self.phase != phase => Ok(()),
            Fault::Error => Err(Error::msg("no such table").context("cannot load orders")),
            Fault::Panic => panic!("index {} is out of bounds", 7),
        }
    }
}

#[derive(Clone)]
struct Orders;

macro_rules! faulty {
    ($name:ident $(, $blocking:ident)?) => {
        #[factory(output = Orders $(, $blocking)?)]
        struct $name {
            #[delivery]
            script: Script,
        }

        impl Factory for $name {
            async fn read(&mut self) -> Result<()> {
                self.script.play(Phase::Read).await
            }

            async fn process(&mut self) -> Result<Orders> {
                self.script.play(Phase::Process).await?;
                Ok(Orders)
            }

            async fn write(&mut self, _output: &Orders) -> Result<()> {
                self.script.play(Phase::Write).await
            }
        }
    };
}
faulty!(Faulty);
faulty!(FaultyBlocking, blocking);

#[factory]
fn consume(_orders: Orders) {}

#[pipeline(extract(Faulty), load(consume))]
struct Daily {
    script: Script,
}

#[pipeline(extract(FaultyBlocking), load(consume))]
struct DailyBlocking {
    script: Script,
}

fn statuses(error: &RunError) -> Vec<(&str, Status)> {
    let entries = error.report().unwrap().entries();
    entries.iter().map(|entry| (&*entry.factory, entry.status)).collect()
}

mod faults {
    use super::*;

    fn check(error: &RunError, factory: &str, script: Script) {
        let [failure] = error.failures() else { panic!("one failure in {error:?}") };
        assert_eq!((&*failure.stage, &*failure.factory, failure.phase), ("extract", factory, script.phase));
        match (&failure.cause, script.fault) {
            (Cause::Error(error), Fault::Error) => {
                assert_eq!(format!("{error:#}"), "cannot load orders: no such table");
            }
            (Cause::Panic(message), Fault::Panic) => assert_eq!(message, "index 7 is out of bounds"),
            (cause, fault) => panic!("{cause:?} for {fault:?}"),
        }
        assert_eq!(statuses(error), [(factory, Status::Failed), ("consume", Status::NotRun)]);
        assert!(!error.is_cancelled());
    }

    #[test]
    fn every_fault_in_every_phase_is_told_of() {
        on_each_runtime(async || {
            for phase in [Phase::Read, Phase::Process, Phase::Write] {
                for fault in [Fault::Error, Fault::Panic] {
                    for late in [false, true] {
                        let script = Script { phase, fault, late };
                        let log = Log::default();
                        let run = Daily { script }.run().observe(log.observer());
                        check(&run.await.unwrap_err(), "Faulty", script);
                        assert_eq!(log.all(), [started("Faulty"), failed("Faulty")]);
                        let run = DailyBlocking { script }.run().concurrency(1);
                        check(&run.await.unwrap_err(), "FaultyBlocking", script);
                    }
                }
            }
        });
    }

    #[factory]
    fn divide() -> Result<Orders> {
        "a".parse::<i32>()?;
        Ok(Orders)
    }

    #[factory]
    async fn explode() -> u8 {
        std::panic::panic_any(1u8)
    }

    #[pipeline(#[sequential] only(divide, explode))]
    struct First;

    #[pipeline(only(explode))]
    struct Exploding;

    #[test]
    fn functions_fail_in_process() {
        on_each_runtime(async || {
            let error = First.run().await.unwrap_err();
            assert_eq!(statuses(&error), [("divide", Status::Failed), ("explode", Status::NotRun)]);
            assert_eq!(error.failures()[0].phase, Phase::Process);
            assert_eq!(
                format!("{:#}", Error::from(error)),
                "pipeline `First` failed: factory `divide` of stage `only` failed in process: \
                 invalid digit found in string"
            );
        });
    }

    #[test]
    fn a_panic_without_a_text() {
        on_each_runtime(async || {
            let error = Exploding.run().await.unwrap_err();
            assert_eq!(
                format!("{:#}", Error::from(error)),
                "pipeline `Exploding` failed: factory `explode` of stage `only` panicked in process: \
                 a panic without a message"
            );
        });
    }

    #[test]
    fn the_whole_chain_of_causes_is_told() {
        on_each_runtime(async || {
            let script = Script { phase: Phase::Write, fault: Fault::Error, late: true };
            let error = Error::from(Daily { script }.run().await.unwrap_err());
            assert_eq!(
                format!("{error:?}").split("\n\nStack backtrace").next().unwrap(),
                "pipeline `Daily` failed\n\nCaused by:\n    \
                 0: factory `Faulty` of stage `extract` failed in write\n    \
                 1: cannot load orders\n    \
                 2: no such table"
            );
            let script = Script { fault: Fault::Panic, ..script };
            let error = Error::from(Daily { script }.run().await.unwrap_err());
            assert_eq!(
                format!("{error:#}"),
                "pipeline `Daily` failed: factory `Faulty` of stage `extract` panicked in write: \
                 index 7 is out of bounds"
            );
        });
    }

    #[derive(Clone)]
    struct Together(Arc<std::sync::Barrier>);

    #[factory]
    fn one(together: Together) -> Result<()> {
        together.0.wait();
        Err(Error::msg("left"))
    }

    #[factory]
    fn other(together: Together) {
        together.0.wait();
        panic!("right")
    }

    #[pipeline(both(one, other))]
    struct Twice {
        together: Together,
    }

    #[test]
    fn both_of_two_failures_are_told_of() {
        on_each_runtime(async || {
            let error =
                Twice { together: Together(Arc::new(std::sync::Barrier::new(2))) }.run().await.unwrap_err();
            let mut failures: Vec<_> = error.failures().iter().map(ToString::to_string).collect();
            failures.sort();
            assert_eq!(
                failures,
                [
                    "factory `one` of stage `both` failed in process",
                    "factory `other` of stage `both` panicked in process: right"
                ]
            );
            let text = error.to_string();
            let order =
                if error.failures()[0].factory == "one" { "`one`, `other`" } else { "`other`, `one`" };
            assert_eq!(text, format!("pipeline `Twice` failed in 2 factories ({order})"));
        });
    }
}

mod stopping {
    use super::*;

    #[derive(Clone, Default)]
    struct Signals {
        waits: Latch,
        works: Latch,
        dropped: Latch,
        worked: Latch,
    }

    #[factory]
    async fn waits(signals: Signals) -> Orders {
        let _guard = signals.dropped.on_drop();
        signals.waits.open();
        std::future::pending().await
    }

    #[factory]
    fn works(signals: Signals, context: Context) {
        signals.works.open();
        while !context.is_cancelled() {
            std::thread::yield_now();
        }
        std::thread::yield_now();
        signals.worked.open();
    }

    #[factory]
    async fn fails(signals: Signals) -> Result<()> {
        signals.waits.opened().await;
        signals.works.opened().await;
        Err(Error::msg("enough"))
    }

    #[pipeline(all(waits, works, fails), later(consume))]
    struct Failing {
        signals: Signals,
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        on_each_runtime(async || {
            let (signals, log) = (Signals::default(), Log::default());
            let run = Failing { signals: signals.clone() }.run().observe(log.observer());
            let error = run.await.unwrap_err();
            assert!(signals.dropped.is_open(), "async work is dropped where it waits");
            assert!(signals.worked.is_open(), "blocking work is waited for");
            assert_eq!(
                statuses(&error),
                [
                    ("waits", Status::Cancelled),
                    ("works", Status::Succeeded),
                    ("fails", Status::Failed),
                    ("consume", Status::NotRun)
                ]
            );
            assert_eq!(log.count(&cancelled("waits")), 1);
            assert_eq!(log.count(&finished("works")), 1);
            assert_eq!(log.count(&started("consume")), 0);
            log.assert_before(&failed("fails"), &cancelled("waits"));
            let table = error.report().unwrap().to_string();
            for status in ["cancelled", "ok", "failed", "not run"] {
                assert!(table.contains(status), "{status} in\n{table}");
            }
        });
    }

    /// What goes through `blocking` outlives the factory that waits for it, but not the run.
    #[factory]
    async fn offloads(signals: Signals, context: Context) {
        let _guard = signals.dropped.on_drop();
        setl::blocking(move || {
            signals.works.open();
            while !context.is_cancelled() {
                std::thread::yield_now();
            }
            signals.dropped.block();
            signals.worked.open();
        })
        .await;
    }

    #[factory]
    async fn fails_soon(signals: Signals) -> Result<()> {
        signals.works.opened().await;
        Err(Error::msg("enough"))
    }

    #[pipeline(all(offloads, fails_soon))]
    struct Offloading {
        signals: Signals,
    }

    #[test]
    fn blocking_work_of_a_dropped_factory_is_waited_for() {
        on_each_runtime(async || {
            let signals = Signals::default();
            let error = Offloading { signals: signals.clone() }.run().await.unwrap_err();
            assert!(signals.worked.is_open());
            assert_eq!(statuses(&error), [("offloads", Status::Cancelled), ("fails_soon", Status::Failed)]);
        });
    }

    /// It has the only thread until the run is stopped.
    #[factory]
    fn hogs(context: Context, signals: Signals) {
        signals.works.open();
        while !context.is_cancelled() {
            std::thread::yield_now();
        }
        signals.worked.open();
    }

    /// Lets `queues` begin when there is no thread for it.
    #[factory]
    async fn delays(signals: Signals) -> Orders {
        signals.works.opened().await;
        Orders
    }

    #[factory]
    fn queues(_orders: Orders, signals: Signals) {
        signals.dropped.open();
    }

    #[factory]
    async fn fails_later(signals: Signals) -> Result<()> {
        signals.waits.opened().await;
        Err(Error::msg("enough"))
    }

    #[pipeline(first(hogs, delays, fails_later), second(queues))]
    struct Queueing {
        signals: Signals,
    }

    #[test]
    fn blocking_work_that_waits_for_a_thread_does_not_begin() {
        on_each_runtime(async || {
            let signals = Signals::default();
            let queued = signals.waits.clone();
            let run = Queueing { signals: signals.clone() }.run().blocking_threads(1);
            let run = run.observe(move |event| {
                if *event == (Event::Started { factory: "queues" }) {
                    queued.open();
                }
            });
            let error = run.await.unwrap_err();
            assert!(signals.worked.is_open());
            assert!(!signals.dropped.is_open(), "it never had the thread");
            assert_eq!(
                statuses(&error),
                [
                    ("hogs", Status::Succeeded),
                    ("delays", Status::Succeeded),
                    ("fails_later", Status::Failed),
                    ("queues", Status::Cancelled)
                ]
            );
        });
    }

    /// A blocking factory that waits can be dropped there.
    #[factory(blocking)]
    async fn waits_on_a_thread(signals: Signals) {
        let _guard = signals.dropped.on_drop();
        signals.works.open();
        std::future::pending().await
    }

    #[pipeline(all(waits_on_a_thread, fails_soon))]
    struct WaitingThread {
        signals: Signals,
    }

    #[test]
    fn a_blocking_factory_is_dropped_where_it_waits() {
        on_each_runtime(async || {
            let signals = Signals::default();
            let error = WaitingThread { signals: signals.clone() }.run().await.unwrap_err();
            assert!(signals.dropped.is_open());
            assert_eq!(
                statuses(&error),
                [("waits_on_a_thread", Status::Cancelled), ("fails_soon", Status::Failed)]
            );
        });
    }
}

mod hostile {
    use super::*;

    /// Panics when it is dropped.
    #[derive(Default)]
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("dropped");
            }
        }
    }

    #[factory(output = Orders)]
    struct Armed {
        _bomb: Bomb,
    }

    impl Factory for Armed {
        async fn process(&mut self) -> Result<Orders> {
            Ok(Orders)
        }
    }

    #[pipeline(only(Armed, consume))]
    struct Factories;

    #[test]
    fn a_factory_that_panics_in_drop_fails() {
        on_each_runtime(async || {
            let error = Factories.run().await.unwrap_err();
            assert_eq!(
                error.failures()[0].to_string(),
                "factory `Armed` of stage `only` panicked in write: dropped"
            );
            assert_eq!(statuses(&error), [("Armed", Status::Failed), ("consume", Status::NotRun)]);
        });
    }

    #[factory]
    async fn holds_a_bomb(latch: Latch) {
        let _bomb = Bomb;
        latch.open();
        std::future::pending().await
    }

    #[factory]
    async fn fails(latch: Latch) -> Result<()> {
        latch.opened().await;
        Err(Error::msg("enough"))
    }

    #[pipeline(only(holds_a_bomb, fails))]
    struct Dropping {
        latch: Latch,
    }

    #[test]
    fn a_factory_may_panic_while_it_is_cancelled() {
        on_each_runtime(async || {
            let error = Dropping { latch: Latch::default() }.run().await.unwrap_err();
            assert_eq!(statuses(&error), [("holds_a_bomb", Status::Cancelled), ("fails", Status::Failed)]);
            assert_eq!(error.failures().len(), 1);
        });
    }

    #[factory]
    async fn delivers_a_bomb() -> Bomb {
        Bomb
    }

    #[factory]
    fn takes_it(#[delivery(shared)] bomb: Arc<Bomb>) {
        std::mem::forget(bomb);
    }

    #[factory]
    fn takes_and_drops_it(#[delivery(shared)] _bomb: Arc<Bomb>) {}

    #[pipeline(only(delivers_a_bomb, takes_and_drops_it))]
    struct LastConsumer;

    #[test]
    fn a_payload_that_panics_in_drop_fails_its_last_consumer() {
        on_each_runtime(async || {
            let error = LastConsumer.run().await.unwrap_err();
            assert_eq!(
                statuses(&error),
                [("delivers_a_bomb", Status::Succeeded), ("takes_and_drops_it", Status::Failed)]
            );
        });
    }

    #[derive(Clone)]
    struct Unrelated;

    #[factory]
    fn unrelated() -> Result<Unrelated> {
        Err(Error::msg("enough"))
    }

    #[factory]
    fn takes_both(#[delivery(shared)] bomb: Arc<Bomb>, _other: Unrelated) {
        std::mem::forget(bomb);
    }

    #[pipeline(#[sequential] make(delivers_a_bomb, unrelated), take(takes_both))]
    struct Undelivered;

    #[test]
    fn a_payload_that_nobody_got_may_panic_in_drop() {
        on_each_runtime(async || {
            let error = Undelivered.run().await.unwrap_err();
            assert_eq!(error.failures().len(), 1);
            assert_eq!(error.failures()[0].factory, "unrelated");
        });
    }

    #[factory]
    fn panics_with_a_bomb() {
        std::panic::panic_any(Bomb)
    }

    #[factory]
    async fn panics_with_a_bomb_too() {
        std::panic::panic_any(Bomb)
    }

    #[pipeline(one(panics_with_a_bomb), other(panics_with_a_bomb_too))]
    struct Nested;

    #[test]
    fn what_a_panic_carries_may_panic_in_drop() {
        on_each_runtime(async || {
            let error = Nested.run().await.unwrap_err();
            assert!(!error.failures().is_empty());
            for failure in error.failures() {
                assert!(matches!(&failure.cause, Cause::Panic(text) if text == "a panic without a message"));
            }
        });
    }

    #[pipeline(only(delivers_a_bomb, takes_it))]
    struct Observed;

    #[test]
    fn an_observer_may_panic() {
        on_each_runtime(async || {
            let log = Log::default();
            let run = Observed.run().observe(|event| panic!("{event:?}")).observe(log.observer());
            let run = run.await.unwrap();
            assert!(run.entries().iter().all(|entry| entry.status == Status::Succeeded));
            assert_eq!(log.all().len(), 4);
        });
    }

    /// Panics when it is cloned.
    struct Unique;

    impl Clone for Unique {
        fn clone(&self) -> Self {
            panic!("cloned")
        }
    }

    #[factory]
    fn unique() -> Unique {
        Unique
    }

    #[factory]
    async fn clones(_unique: Unique) {}

    #[factory]
    fn clones_too(_unique: Unique) {}

    #[pipeline(only(unique, clones, clones_too))]
    struct Cloning;

    #[test]
    fn a_clone_may_panic() {
        on_each_runtime(async || {
            let error = Cloning.run().await.unwrap_err();
            let [failure] = error.failures() else { panic!("one failure in {error:?}") };
            assert_eq!((failure.phase, failure.stage.as_str()), (Phase::Read, "only"));
            assert!(matches!(&failure.cause, Cause::Panic(text) if text == "cloned"));
        });
    }

    /// No factory takes the output of this one, and nobody keeps it.
    #[test]
    fn an_output_that_is_kept_belongs_to_the_caller() {
        on_each_runtime(async || {
            let builder = Pipeline::builder("bombs").stage("only").factory::<delivers_a_bomb>();
            let run = builder.build().unwrap().run().await.unwrap();
            assert!(run.find::<delivers_a_bomb>().is_some());
            std::mem::forget(run);
        });
    }
}

mod cancelling {
    use super::*;

    #[derive(Clone, Default)]
    struct Signals {
        begun: Latch,
        dropped: Latch,
        worked: Latch,
    }

    #[factory]
    async fn waits(signals: Signals) -> Orders {
        let _guard = signals.dropped.on_drop();
        signals.begun.open();
        std::future::pending().await
    }

    #[pipeline(first(waits), then(consume))]
    struct Waiting {
        signals: Signals,
    }

    #[test]
    fn a_run_that_is_cancelled_before_it_starts_starts_nothing() {
        on_each_runtime(async || {
            let (signals, log, token) = (Signals::default(), Log::default(), CancellationToken::new());
            token.cancel();
            let run = Waiting { signals: signals.clone() }.run().cancel_on(token).observe(log.observer());
            let error = run.await.unwrap_err();
            assert!(error.is_cancelled());
            assert_eq!(error.to_string(), "pipeline `Waiting` was cancelled after 0 of 2 factories");
            assert_eq!(statuses(&error), [("waits", Status::NotRun), ("consume", Status::NotRun)]);
            assert_eq!(log.all(), []);
            assert!(error.failures().is_empty());
        });
    }

    #[test]
    fn a_run_that_is_cancelled_drops_what_waits() {
        on_each_runtime(async || {
            let (signals, log, token) = (Signals::default(), Log::default(), CancellationToken::new());
            let run = Waiting { signals: signals.clone() }.run();
            let run = run.cancel_on(token.clone()).observe(log.observer());
            let (result, ()) = tokio::join!(run.into_future(), async {
                signals.begun.opened().await;
                token.cancel();
            });
            let error = result.unwrap_err();
            assert!(error.is_cancelled());
            assert!(signals.dropped.is_open());
            assert_eq!(log.all(), [started("waits"), cancelled("waits")]);
            assert_eq!(statuses(&error), [("waits", Status::Cancelled), ("consume", Status::NotRun)]);
        });
    }

    #[factory]
    async fn cancels(token: CancellationToken) -> Orders {
        token.cancel();
        Orders
    }

    #[factory]
    async fn follows(_orders: Orders) {}

    #[pipeline(first(cancels), then(follows))]
    struct Cancelling {
        token: CancellationToken,
    }

    /// Neither factory ever waits, so that nothing but the executor can notice.
    #[test]
    fn nothing_starts_after_a_cancellation() {
        on_each_runtime(async || {
            let (log, token) = (Log::default(), CancellationToken::new());
            let run = Cancelling { token: token.clone() }.run().cancel_on(token).observe(log.observer());
            let error = run.await.unwrap_err();
            assert_eq!(error.to_string(), "pipeline `Cancelling` was cancelled after 1 of 2 factories");
            assert_eq!(log.all(), [started("cancels"), finished("cancels")]);
            assert_eq!(statuses(&error), [("cancels", Status::Succeeded), ("follows", Status::NotRun)]);
        });
    }

    #[factory]
    fn sees(token: CancellationToken, context: Context) -> bool {
        token.cancel();
        context.is_cancelled() && context.cancellation().is_cancelled()
    }

    #[pipeline(only(sees))]
    struct Last {
        token: CancellationToken,
    }

    #[test]
    fn a_run_that_has_all_it_wants_is_not_cancelled() {
        on_each_runtime(async || {
            let token = CancellationToken::new();
            let run = Last { token: token.clone() }.run().cancel_on(token).await.unwrap();
            assert!(run.get::<sees>(), "a factory sees the cancellation at once");
        });
    }

    #[test]
    fn a_run_leaves_the_token_alone() {
        on_each_runtime(async || {
            let token = CancellationToken::new();
            let script = Script { phase: Phase::Read, fault: Fault::Error, late: false };
            Daily { script }.run().cancel_on(token.clone()).await.unwrap_err();
            assert!(!token.is_cancelled(), "a failure cancels the run, not what it may be part of");
        });
    }

    #[test]
    fn a_token_that_is_cancelled_after_the_run_changes_nothing() {
        on_each_runtime(async || {
            let (token, own) = (CancellationToken::new(), CancellationToken::new());
            let run = Last { token: own }.run().cancel_on(token.clone()).await.unwrap();
            token.cancel();
            assert_eq!(run.entry("sees").unwrap().status, Status::Succeeded);
        });
    }

    #[factory]
    fn works(signals: Signals, context: Context, _parcel: Parcel) -> Orders {
        signals.begun.open();
        while !context.is_cancelled() {
            std::thread::yield_now();
        }
        signals.worked.open();
        Orders
    }

    #[factory]
    async fn waits_too(signals: Signals, _parcel: Parcel) {
        let _guard = signals.dropped.on_drop();
        std::future::pending().await
    }

    #[factory]
    fn later(_orders: Orders, _parcel: Parcel) {}

    #[pipeline(first(works, waits_too), then(later))]
    struct Dropped {
        signals: Signals,
        parcel: Parcel,
    }

    #[test]
    fn a_run_whose_future_is_dropped_comes_to_its_end() {
        on_each_runtime(async || {
            let (signals, log, ledger) = (Signals::default(), Log::default(), Arc::new(Ledger::default()));
            let run = Dropped { signals: signals.clone(), parcel: ledger.parcel(0, 0) }.run();
            let run = run.observe(log.observer()).into_future();
            tokio::select! {
                _ = run => unreachable!("it waits for what never comes"),
                () = signals.begun.opened() => {}
            }
            // The input stays until nothing is left of the run, since `later` never takes it.
            until(|| ledger.live() == 0).await;
            assert!(signals.worked.is_open(), "blocking work comes to its end");
            if log.count(&started("waits_too")) == 1 {
                assert!(signals.dropped.is_open(), "async work is dropped");
                assert_eq!(log.count(&cancelled("waits_too")), 1);
            }
            assert_eq!(log.count(&started("later")), 0, "nothing new starts");
        });
    }

    #[test]
    fn a_run_that_is_never_polled_does_nothing() {
        on_each_runtime(async || {
            let (signals, log, ledger) = (Signals::default(), Log::default(), Arc::new(Ledger::default()));
            let run = Dropped { signals, parcel: ledger.parcel(0, 0) }.run().observe(log.observer());
            drop(run.into_future());
            assert_eq!(ledger.live(), 0);
            assert_eq!(log.all(), []);
        });
    }

    /// A run can be a task of its own, and end with it.
    #[test]
    fn a_run_ends_with_the_task_that_awaits_it() {
        on_each_runtime(async || {
            let (signals, ledger) = (Signals::default(), Arc::new(Ledger::default()));
            let run = Dropped { signals: signals.clone(), parcel: ledger.parcel(0, 0) }.run();
            let task = tokio::spawn(run.into_future());
            signals.begun.opened().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            until(|| ledger.live() == 0).await;
            assert!(signals.worked.is_open());
        });
    }
}

mod payloads {
    use super::*;

    #[factory]
    fn passes(parcel: Parcel) -> Passed {
        Passed(parcel)
    }

    #[derive(Clone)]
    struct Passed(#[expect(dead_code, reason = "only counted")] Parcel);

    #[factory]
    fn fails(_passed: Passed) -> Result<Orders> {
        Err(Error::msg("enough"))
    }

    #[factory]
    fn never(_passed: Passed, _parcel: Parcel, _orders: Orders) {}

    #[pipeline(only(passes, fails, never))]
    struct Leftovers {
        parcel: Parcel,
    }

    #[test]
    fn nothing_is_left_of_a_failed_run() {
        on_each_runtime(async || {
            let ledger = Arc::new(Ledger::default());
            let error = Leftovers { parcel: ledger.parcel(0, 0) }.run().await.unwrap_err();
            assert_eq!(ledger.live(), 0, "what was meant for factories that did not run is dropped");
            assert_eq!(error.failures()[0].factory, "fails");
        });
    }

    #[derive(Clone, Default)]
    struct Held(Arc<std::sync::Mutex<Option<Context>>>);

    #[factory]
    fn hands_out_its_context(held: Held, context: Context, _parcel: Parcel) -> Result<Orders> {
        *held.0.lock().unwrap() = Some(context);
        Err(Error::msg("enough"))
    }

    #[factory]
    fn never_either(_parcel: Parcel, _orders: Orders) {}

    #[pipeline(only(hands_out_its_context, never_either))]
    struct Outlived {
        held: Held,
        parcel: Parcel,
    }

    #[test]
    fn a_context_that_outlives_the_run_holds_no_payload() {
        on_each_runtime(async || {
            let (held, ledger) = (Held::default(), Arc::new(Ledger::default()));
            let run = Outlived { held: held.clone(), parcel: ledger.parcel(0, 0) }.run();
            run.await.unwrap_err();
            assert_eq!(ledger.live(), 0);
            let context = held.0.lock().unwrap().take().unwrap();
            assert!(context.is_cancelled());
            assert_eq!(context.factory(), "hands_out_its_context");
            context.progress(1, None);
        });
    }
}

mod runtimes {
    use super::*;

    #[factory]
    fn answer() -> u32 {
        42
    }

    #[pipeline(only(answer))]
    struct Deep;

    #[test]
    fn without_a_runtime_there_is_an_error() {
        watched(|| {
            let error = wait_for(Deep.run().into_future()).unwrap_err();
            assert!(matches!(error, RunError::NoRuntime { .. }));
            assert_eq!(
                error.to_string(),
                "pipeline `Deep` needs a tokio runtime: call it from an `async fn main` under `#[tokio::main]`"
            );
            assert!(error.report().is_none() && error.failures().is_empty() && !error.is_cancelled());
        });
    }

    #[test]
    fn a_run_may_be_awaited_outside_of_its_runtime() {
        watched(|| {
            let runtime = runtime(4);
            let _entered = runtime.enter();
            assert_eq!(*wait_for(Deep.run().into_future()).unwrap().get::<answer>(), 42);
        });
    }

    #[derive(Clone, Default)]
    struct Signals {
        begun: Latch,
        dropped: Latch,
    }

    #[factory]
    async fn waits(signals: Signals) -> Orders {
        let _guard = signals.dropped.on_drop();
        signals.begun.open();
        std::future::pending().await
    }

    #[factory]
    async fn waits_too() {
        std::future::pending().await
    }

    #[pipeline(first(waits, waits_too), then(consume))]
    struct Waiting {
        signals: Signals,
    }

    /// One factory waits in the future of the run, which is not on the runtime; the other goes down with the runtime, and
    /// that ends the run.
    #[test]
    fn a_run_whose_runtime_shuts_down_is_cancelled() {
        for bound in [None, Some(2)] {
            watched(move || {
                let (signals, log) = (Signals::default(), Log::default());
                let runtime = runtime(4);
                let mut run = Waiting { signals: signals.clone() }.run().observe(log.observer());
                if let Some(bound) = bound {
                    run = run.concurrency(bound);
                }
                let handle = runtime.handle().clone();
                let awaits = std::thread::spawn(move || {
                    let _entered = handle.enter();
                    wait_for(run.into_future())
                });
                signals.begun.block();
                runtime.shutdown_background();
                let error = awaits.join().unwrap().unwrap_err();
                assert!(error.is_cancelled());
                assert!(signals.dropped.is_open());
                assert_eq!(error.report().unwrap().entry("waits").unwrap().status, Status::Cancelled);
                assert_eq!(log.count(&started("consume")), 0);
            });
        }
    }

    #[factory]
    fn blocks() -> Orders {
        Orders
    }

    #[pipeline(first(blocks), then(consume))]
    struct Blocking;

    /// Its thread is busy with something else, and the runtime drops what waits for it.
    #[test]
    fn blocking_work_whose_runtime_shuts_down_is_cancelled() {
        watched(|| {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).build().unwrap();
            let (busy, free, begun) = (Latch::default(), Latch::default(), Latch::default());
            let (is_busy, waits) = (busy.clone(), free.clone());
            runtime.spawn_blocking(move || {
                is_busy.open();
                waits.block();
            });
            busy.block();
            let (handle, begins) = (runtime.handle().clone(), begun.clone());
            let awaits = std::thread::spawn(move || {
                let _entered = handle.enter();
                let run = Blocking.run().observe(move |_| begins.open()).into_future();
                wait_for(run)
            });
            begun.block();
            runtime.shutdown_background();
            free.open();
            match awaits.join().unwrap() {
                // The runtime was gone before the first of them got its thread, or the second; or after both.
                Err(error) => {
                    assert!(error.is_cancelled());
                    assert_ne!(statuses(&error)[1], ("consume", Status::Succeeded));
                }
                Ok(run) => assert_eq!(run.entries().len(), 2),
            }
        });
    }

    /// Both the run and what awaits it are gone then; nothing must be left that waits.
    #[test]
    fn a_runtime_shuts_down_with_a_run_in_it() {
        watched(|| {
            for threads in [1, 4] {
                let signals = Signals::default();
                let runtime = runtime(threads);
                let run = Waiting { signals: signals.clone() }.run().into_future();
                let begun = signals.begun.clone();
                runtime.block_on(async move {
                    tokio::spawn(run);
                    begun.opened().await;
                });
                drop(runtime);
                assert!(signals.dropped.is_open());
            }
        });
    }
}
