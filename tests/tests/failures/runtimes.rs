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
            let observer = move |event: &Event<'_>| {
                if let Event::Started { .. } = event {
                    begins.open();
                }
            };
            let run = Blocking.run().observe(observer).into_future();
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
            let log = Log::default();
            let run = Waiting { signals: signals.clone() }.run().observe(log.observer()).into_future();
            let begun = signals.begun.clone();
            runtime.block_on(async move {
                tokio::spawn(run);
                begun.opened().await;
            });
            drop(runtime);
            assert!(signals.dropped.is_open());
            let events = log.all();
            let [Seen::RunStarted(3), between @ .., Seen::RunEnded(status)] = &*events else {
                panic!("an event is missing: {events:?}");
            };
            // The run may come to its end after the runtime has dropped another driver.
            assert!(matches!(status, RunStatus::Dropped | RunStatus::Cancelled), "{events:?}");
            let mut ends: Vec<_> =
                between.iter().filter(|event| !matches!(event, Seen::Started(_))).collect();
            assert!(ends.contains(&&cancelled("waits")) && ends.contains(&&not_run("consume", None)));
            ends.retain(|end| ![cancelled("waits"), not_run("consume", None)].contains(end));
            let too = if log.count(&started("waits_too")) == 1 {
                cancelled("waits_too")
            } else {
                not_run("waits_too", None)
            };
            assert_eq!(ends, [&too], "{events:?}");
        }
    });
}

fn without_drivers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn what_needs_a_driver_of_the_runtime_does_not_start_without() {
    watched(|| {
        let run = || Deep.run().deadline(std::time::Duration::from_secs(3600));
        let error = without_drivers().block_on(run().into_future()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pipeline `Deep` cannot start:\n  `deadline` needs a runtime with a timer: call `enable_time` or `enable_all` on its builder"
        );
        assert_eq!(*runtime(4).block_on(run().into_future()).unwrap().get::<answer>(), 42);
        #[cfg(unix)]
        {
            let run = Deep.run().cancel_on_ctrl_c();
            let error = without_drivers().block_on(run.into_future()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "pipeline `Deep` cannot start:\n  `cancel_on_ctrl_c` needs a runtime that hears signals: call `enable_all` on its builder"
            );
        }
        assert_eq!(*without_drivers().block_on(Deep.run().into_future()).unwrap().get::<answer>(), 42);
    });
}

/// Blocks until it is let go, and then has something to undo.
#[factory(output = (), blocking)]
struct Undoes {
    #[delivery]
    signals: Undoing,
}

#[derive(Clone, Default)]
struct Undoing {
    begun: Latch,
    go: Latch,
    undone: Latch,
}

impl Factory for Undoes {
    async fn process(&mut self) -> Result<()> {
        self.signals.begun.open();
        self.signals.go.block();
        Ok(())
    }

    async fn write(&mut self, _: &()) -> Result<()> {
        Ok(())
    }
}

impl Rollback for Undoes {
    async fn rollback(&mut self) -> Result<()> {
        self.signals.undone.open();
        Ok(())
    }
}

#[pipeline(only(Undoes))]
struct Dropped {
    signals: Undoing,
}

#[test]
fn a_run_that_is_dropped_outside_of_its_runtime_is_undone() {
    for threads in [1, 4] {
        watched(move || {
            let runtime = runtime(threads);
            let signals = Undoing::default();
            let mut run = Box::pin(Dropped { signals: signals.clone() }.run().into_future());
            let begun = signals.begun.clone();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = &mut run => unreachable!("it waits"),
                    () = begun.opened() => {}
                }
            });
            // This thread knows of no runtime.
            drop(run);
            signals.go.open();
            runtime.block_on(signals.undone.opened());
        });
    }
}

#[factory]
fn blocks_within(signals: Undoing) -> u8 {
    signals.begun.open();
    signals.go.block();
    signals.undone.open();
    1
}

#[pipeline(only(blocks_within))]
struct Inner {
    signals: Undoing,
}

#[factory]
async fn nests(signals: Undoing) -> Result<u16> {
    Ok(u16::from(*Inner { signals }.run().await?.get::<blocks_within>()))
}

#[pipeline(only(nests))]
struct Outer {
    signals: Undoing,
}

#[test]
fn a_cancelled_run_waits_for_the_runs_in_it() {
    on_each_runtime(async || {
        let (signals, token) = (Undoing::default(), CancellationToken::new());
        let run = Outer { signals: signals.clone() }.run().cancel_on(token.clone()).into_future();
        let (result, ()) = tokio::join!(run, async {
            signals.begun.opened().await;
            token.cancel();
            // Time for the outer run to end, if it does not wait.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            signals.go.open();
        });
        assert!(result.unwrap_err().is_cancelled());
        assert!(signals.undone.is_open(), "the work of the inner run goes on");
    });
}
