//! Factories that wait for each other beyond the threads that there are: who waits is told by name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use setl::prelude::*;
use setl::{CancellationToken, Event};
use setl_tests::{Latch, Log, runtime, watched};

/// Holds up the first that comes until the second does.
#[derive(Clone, Default)]
struct Door {
    taken: Arc<AtomicBool>,
    latch: Latch,
}

impl Door {
    fn pass(&self, context: &Context) {
        if self.taken.swap(true, Ordering::SeqCst) {
            self.latch.open();
        }
        while !self.latch.is_open() && !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[factory]
fn left(door: Door, context: Context) -> u8 {
    door.pass(&context);
    1
}

#[factory]
fn right(door: Door, context: Context) -> u16 {
    door.pass(&context);
    2
}

#[pipeline(only(left, right))]
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

/// Of two factories, the one that waits for a thread and the one that has it: either may come first.
fn waiting_and_busy(
    log: &Log<String>,
    factories: [&'static str; 2],
    threads: Option<usize>,
) -> [&'static str; 2] {
    let [one, other] = factories;
    let expected = [[one, other], [other, one]];
    let told = |[waits, busy]: [&str; 2]| vec![format!("{waits} waits for {:?} of {threads:?}", [busy])];
    let found = expected.into_iter().find(|names| log.all() == told(*names));
    found.unwrap_or_else(|| panic!("{:?}", log.all()))
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
            let [waits, busy] = waiting_and_busy(&log, ["left", "right"], Some(1));
            let note = error.report().unwrap().entry(waits).unwrap().note.clone().unwrap();
            let expected = format!(
                "while `{busy}` had all 1: if one of them waits for `{waits}`, raise `blocking_threads`"
            );
            assert!(note.contains(&expected), "{note}");
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
        waiting_and_busy(&log, ["left", "right"], None);
    });
}

/// Lets others go on who wait with it.
#[factory]
async fn from_async(door: Door, context: Context) {
    setl::blocking(move || door.pass(&context)).await;
}

#[pipeline(only(left, from_async))]
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
        waiting_and_busy(&log, ["left", "from_async"], Some(1));

        let (log, token) = (Log::default(), CancellationToken::new());
        let run = Locked { door: Door::default() }.run().blocking_threads(2).warn_after(20 * PATIENCE);
        let run = run.observe(starving(log.clone(), token));
        assert_eq!(*runtime(4).block_on(run.into_future()).unwrap().get::<left>(), 1);
        assert_eq!(log.all(), [""; 0]);
    });
}
