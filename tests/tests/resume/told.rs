//! What a factory delivers after it was told to end is not kept: it may not be all.

use std::sync::atomic::{AtomicBool, Ordering};

use setl::prelude::*;
use setl::run::Status;
use tokio::sync::Notify;

const PAGES: u32 = 10;

static FAILS: AtomicBool = AtomicBool::new(true);
static BEGUN: Notify = Notify::const_new();

/// Downloads page after page, and comes to an early end when it is told to.
#[factory(checkpoint)]
fn download(context: Context) -> Vec<u32> {
    let mut pages = Vec::new();
    for page in 1..=PAGES {
        if context.is_cancelled() {
            break;
        }
        pages.push(page);
        if page == 3 && FAILS.load(Ordering::SeqCst) {
            BEGUN.notify_one();
            while !context.is_cancelled() {
                std::thread::yield_now();
            }
        }
    }
    pages
}

#[factory]
async fn look_up() -> Result<u8> {
    if FAILS.load(Ordering::SeqCst) {
        BEGUN.notified().await;
        return Err(setl::Error::msg("nobody answers"));
    }
    Ok(1)
}

#[factory]
fn count(pages: Vec<u32>, _found: u8) -> usize {
    pages.len()
}

#[pipeline(extract(download, look_up), transform(count))]
struct Import;

#[tokio::test]
async fn what_came_to_an_early_end_is_not_resumed() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let outcome = Import.run().state_dir(state.path()).outcome().await;
    let status =
        |name: &str| outcome.report().and_then(|report| report.entry(name)).map(|entry| entry.status);
    assert_eq!(status("download"), Some(Status::Cancelled));
    assert_eq!(status("look_up"), Some(Status::Failed));

    FAILS.store(false, Ordering::SeqCst);
    let run = Import.run().state_dir(state.path()).resume().await.expect("nothing fails");
    assert_eq!(*run.get::<count>(), PAGES as usize);
}

#[factory(checkpoint)]
fn prepare() -> i32 {
    1
}

#[factory]
fn publish(prepared: i32) -> Result<i64> {
    Err(setl::Error::msg(format!("{prepared} is refused")))
}

#[pipeline(extract(prepare), load(publish))]
struct Publishing;

#[tokio::test]
async fn a_failure_says_what_can_be_resumed() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let error = Publishing.run().state_dir(state.path()).await.expect_err("it is refused");
    let text = error.full();
    assert!(
        text.contains("the outputs of `prepare` are kept: a run with `.resume()` goes on from there"),
        "{text}"
    );
    let error = Publishing.run().state_dir(state.path()).no_write().await.expect_err("it is refused");
    assert!(!error.full().contains("`.resume()`"), "a dry run keeps nothing");
}
