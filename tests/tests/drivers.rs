//! Who gets to run when factories keep their threads to themselves, and what is left when a run is dropped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use setl::prelude::*;
use setl::{CancellationToken, Event, RunError};

/// How many have come to a point where they wait for each other, without giving way to anybody.
#[derive(Clone)]
struct Meeting {
    came: Arc<AtomicUsize>,
    expected: usize,
}

impl Meeting {
    fn of(expected: usize) -> Self {
        Self { came: Arc::default(), expected }
    }

    /// Gives an error in place of a test that hangs.
    fn attend(&self) -> Result<()> {
        self.came.fetch_add(1, Ordering::SeqCst);
        let start = Instant::now();
        while self.came.load(Ordering::SeqCst) < self.expected {
            if start.elapsed() > Duration::from_secs(60) {
                return Err(std::io::Error::other("the others never came").into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Go;

#[factory]
async fn go() -> Go {
    Go
}

#[factory]
async fn busy_a(_go: Go, meeting: Meeting) -> Result<()> {
    meeting.attend()
}

#[factory]
async fn busy_b(_go: Go, meeting: Meeting) -> Result<()> {
    meeting.attend()
}

#[pipeline(first(go), then(busy_a, busy_b))]
struct Busy {
    meeting: Meeting,
}

/// On the thread that started the runtime, and on one of its workers, which keeps the task it spawned last to itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn factories_that_never_wait_overlap() {
    Busy { meeting: Meeting::of(2) }.run().await.expect("both come");
    let in_a_task = tokio::spawn(async { Busy { meeting: Meeting::of(2) }.run().await });
    in_a_task.await.expect("the run does not panic").expect("both come");
}

#[factory]
async fn busy(meeting: Meeting) -> Result<()> {
    meeting.attend()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn factories_that_never_wait_overlap_from_the_start() {
    let mut builder = Pipeline::builder("busy").input("meeting", Meeting::of(2)).stage("all");
    for name in 0..2 {
        builder = builder.factory_named::<busy>(name.to_string(), |wiring| wiring);
    }
    let pipeline = builder.build().expect("it is wired");
    let in_a_task = tokio::spawn(async { pipeline.run().await });
    in_a_task.await.expect("the run does not panic").expect("both come");
}

#[factory]
async fn in_place(meeting: Meeting) -> Result<()> {
    tokio::task::block_in_place(|| meeting.attend())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn factories_that_block_in_place_overlap_beyond_the_number_of_workers() {
    let mut builder = Pipeline::builder("blocked").input("meeting", Meeting::of(9)).stage("all");
    for name in 0..9 {
        builder = builder.factory_named::<in_place>(name.to_string(), |wiring| wiring);
    }
    builder.build().expect("it is wired").run().await.expect("all come");
}

#[factory]
async fn computes(context: Context) {
    while !context.is_cancelled() {
        std::thread::yield_now();
    }
}

#[pipeline(only(computes))]
struct Computes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancellation_reaches_a_factory_that_never_waits() {
    let token = CancellationToken::new();
    let cancel = token.clone();
    let observer = move |event: &Event<'_>| {
        if let Event::Started { .. } = event {
            let cancel = cancel.clone();
            std::thread::spawn(move || cancel.cancel());
        }
    };
    let error = Computes.run().cancel_on(token).observe(observer).await.expect_err("it was told to end");
    assert!(matches!(error, RunError::Cancelled { .. }), "{error}");
}

#[factory]
async fn waits() {
    std::future::pending().await
}

#[pipeline(only(waits))]
struct Waits;

#[tokio::test]
async fn a_run_that_is_dropped_ends_in_order() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let observer = move |event: &Event<'_>| {
        seen.lock().expect("nobody panics").push(match event {
            Event::RunEnded { status, .. } => status.to_string(),
            other => format!("{other:?}"),
        });
    };
    let run = Waits.run().observe(observer).into_future();
    tokio::select! {
        biased;
        _ = run => unreachable!("its factory waits for ever"),
        () = std::future::ready(()) => {}
    }
    while Arc::strong_count(&events) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        *events.lock().expect("nobody panics"),
        [
            "RunStarted { factories: 1 }",
            r#"Started { factory: "waits" }"#,
            r#"Cancelled { factory: "waits" }"#,
            "dropped"
        ]
    );
}
