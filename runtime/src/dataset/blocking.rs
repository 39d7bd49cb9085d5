//! Calls into Polars that wait for its own asynchronous runtime.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` where Polars may wait.
///
/// Even the schema of a file is read asynchronously by Polars, which then waits with `tokio::task::block_in_place`.
/// That panics on the thread of a current-thread runtime, the kind that `#[tokio::test]` makes, so there the work goes
/// to a thread of its own.
pub(crate) fn waiting<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::CurrentThread => {
            std::thread::scope(|scope| {
                scope
                    .spawn(crate::run::moved(work))
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        }
        _ => work(),
    }
}
