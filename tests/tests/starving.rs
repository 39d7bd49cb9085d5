//! Factories that wait for each other beyond the threads that there are: who waits is told by name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use setl::prelude::*;
use setl::{CancellationToken, Event};
use setl_tests::{Latch, Log, runtime, watched};

#[derive(Clone, Default)]
struct Door(Latch);

/// Waits for a thread in vain, in the first place.
#[factory]
fn opens(door: Door) {
    door.0.open();
}

#[factory]
fn waits(door: Door, context: Context) -> u8 {
    while !door.0.is_open() && !context.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    1
}

#[pipeline(only(waits, opens))]
struct Locked {
    door: Door,
}

/// What was told of starving, without the time.
fn starving(log: Log<String>, token: CancellationToken) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    move |event| {
        if let Event::Starving { factory, busy, threads, .. } = event {
            log.push(format!("{factory} waits for {busy:?} of {threads:?}"));
            token.cancel();
        }
    }
}

const PATIENCE: Duration = Duration::from_millis(40);

#[test]
fn a_factory_that_waits_for_a_thread_of_the_run_is_told() {
    for threads in [1, 4] {
        watched(move || {
            let (log, token) = (Log::default(), CancellationToken::new());
            let run = Locked { door: Door::default() }.run().blocking_threads(1).warn_after(PATIENCE);
            let run = run.cancel_on(token.clone()).observe(starving(log.clone(), token));
            let error = runtime(threads).block_on(run.into_future()).unwrap_err();
            assert_eq!(log.all(), ["opens waits for [\"waits\"] of Some(1)"]);
            let note = error.report().unwrap().entry("opens").unwrap().note.clone().unwrap();
            assert!(
                note.contains(
                    "while `waits` had all 1: if one of them waits for `opens`, raise `blocking_threads`"
                ),
                "{note}"
            );
        });
    }
}

#[test]
fn a_factory_that_waits_for_a_thread_of_the_runtime_is_told() {
    watched(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (log, token) = (Log::default(), CancellationToken::new());
        let run = Locked { door: Door::default() }.run().warn_after(PATIENCE);
        let run = run.cancel_on(token.clone()).observe(starving(log.clone(), token));
        let error = runtime.block_on(run.into_future()).unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(log.all(), ["opens waits for [\"waits\"] of None"]);
    });
}

/// Lets others go on who wait with it.
#[factory]
async fn from_async(door: Door) {
    setl::blocking(move || door.0.open()).await;
}

#[pipeline(only(waits, from_async))]
struct Async {
    door: Door,
}

#[test]
fn work_of_an_asynchronous_factory_is_told_too_and_a_run_without_waits_is_not() {
    watched(|| {
        let (log, token) = (Log::default(), CancellationToken::new());
        let run = Async { door: Door::default() }.run().blocking_threads(1).warn_after(PATIENCE);
        let run = run.cancel_on(token.clone()).observe(starving(log.clone(), token));
        runtime(4).block_on(run.into_future()).unwrap_err();
        assert_eq!(log.all(), ["from_async waits for [\"waits\"] of Some(1)"]);

        let (log, token) = (Log::default(), CancellationToken::new());
        let run = Locked { door: Door::default() }.run().blocking_threads(2).warn_after(PATIENCE);
        let run = run.observe(starving(log.clone(), token));
        assert_eq!(*runtime(4).block_on(run.into_future()).unwrap().get::<waits>(), 1);
        assert_eq!(log.all(), [""; 0]);
    });
}
