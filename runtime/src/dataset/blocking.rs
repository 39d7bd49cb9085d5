//! Calls into Polars that wait for its own asynchronous runtime.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work`, which may make Polars wait.
///
/// Polars reads even the schema of a file asynchronously, and waits for it with `tokio::task::block_in_place`. That call
/// panics on the thread of a current-thread runtime, the kind that `#[tokio::test]` creates. There, the work runs on a
/// separate thread.
pub(crate) fn waiting<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::CurrentThread => {
            std::thread::scope(|scope| {
                scope
                    .spawn(crate::run::blocking::moved(work))
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        }
        _ => work(),
    }
}
