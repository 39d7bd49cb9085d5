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
        let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).build().unwrap();
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
