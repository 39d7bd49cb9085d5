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
        let events = ["waits", "consume"].map(|factory| not_run(factory, None));
        assert_eq!(log.all(), of_run(2, events, RunStatus::Cancelled));
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
        let events = [started("waits"), cancelled("waits"), not_run("consume", None)];
        assert_eq!(log.all(), of_run(2, events, RunStatus::Cancelled));
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
        let events = [started("cancels"), finished("cancels"), not_run("follows", None)];
        assert_eq!(log.all(), of_run(2, events, RunStatus::Cancelled));
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
fn what_a_factory_delivers_that_was_told_to_end_is_not_taken() {
    on_each_runtime(async || {
        let token = CancellationToken::new();
        let error = Last { token: token.clone() }.run().cancel_on(token).await.unwrap_err();
        assert!(matches!(error, RunError::Cancelled { .. }), "{error}");
        assert_eq!(
            statuses(&error),
            [("sees", Status::Cancelled)],
            "a factory sees the cancellation at once"
        );
    });
}

#[factory]
fn ends_late(token: CancellationToken) -> u32 {
    token.cancel();
    1
}

#[pipeline(only(ends_late))]
struct Late {
    token: CancellationToken,
}

#[test]
fn a_run_that_is_told_to_end_before_its_commit_ends_cancelled_with_what_was_complete() {
    on_each_runtime(async || {
        let token = CancellationToken::new();
        let outcome = Late { token: token.clone() }.run().cancel_on(token).outcome().await;
        assert_eq!(outcome.code(), 130);
        assert_eq!(outcome.find::<ends_late>(), Some(&1), "it knew nothing of it, so that this is all");
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
