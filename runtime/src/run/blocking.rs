//! Runs work that computes or blocks outside of the threads that drive asynchronous work.

use std::cell::Cell;
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::current::Current;
use super::starving::{Pieces, State, Watched};
use crate::base::panic::carried;
use setl_commit::Owner;

/// The minimum default size of a blocking pool.
const FEWEST_THREADS: usize = 8;

/// The owner of work of the run itself.
const NOBODY: Owner = Owner { node: 0, attempt: 0 };

/// Cached, because the system reads files to answer.
static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

thread_local! {
    /// `true` on a thread for blocking work.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Limits the number of blocking tasks of a run, and knows when all of them have ended.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    size: u32,
    /// The time after which work that waits for a thread is reported. `None` for the default.
    pub(crate) patience: Option<Duration>,
    /// Created for the first task, because most short runs have none.
    used: OnceLock<Used>,
}

#[derive(Debug)]
struct Used {
    permits: Arc<Semaphore>,
    pieces: Arc<Pieces>,
    /// The registration that keeps the pool under observation.
    watched: OnceLock<Watched>,
}

impl BlockingPool {
    pub(crate) fn new(size: Option<usize>, patience: Option<Duration>) -> Self {
        let size = size.unwrap_or_else(|| FEWEST_THREADS.max(*CORES)).clamp(1, u32::MAX as usize >> 3);
        Self { size: size as u32, patience, used: OnceLock::new() }
    }

    fn used(&self) -> &Used {
        self.used.get_or_init(|| Used {
            permits: Arc::new(Semaphore::new(self.size())),
            pieces: Arc::default(),
            watched: OnceLock::new(),
        })
    }

    /// Runs `work` on the blocking pool as soon as there is room.
    ///
    /// Work that has started cannot be interrupted. If the future is dropped, the work continues without it, and
    /// [`BlockingPool::idle`] still waits until the work has ended and its result is dropped. Returns `None` if the runtime shut
    /// down before the start.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        self.run_for(NOBODY, work).await
    }

    /// Does the same as [`BlockingPool::run`] for an attempt of a factory.
    pub(crate) async fn run_for<R: Send + 'static>(
        &self,
        owner: Owner,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let Used { permits, pieces, .. } = self.used();
        let piece = pieces.count(owner);
        // The semaphore is never closed.
        let permit = Arc::clone(permits).acquire_owned().await.ok();
        piece.is_now(State::WaitsForRuntime);
        let work = move || {
            piece.is_now(State::Runs);
            INSIDE.set(true);
            let _reset = Reset;
            let _piece = piece;
            // tokio drops an unused result, such as a staged file, and the permit after it.
            (carried(work), permit)
        };
        match spawn_blocking(work).await {
            Ok((Ok(value), _permit)) => Some(value),
            Ok((Err(panic), _permit)) => panic.resume(),
            // The runtime shut down before the start.
            Err(_) => None,
        }
    }

    /// The tasks that run or wait.
    pub(crate) fn pieces(&self) -> &Arc<Pieces> {
        &self.used().pieces
    }

    /// The registration that keeps the pool under observation.
    pub(crate) fn watched(&self) -> &OnceLock<Watched> {
        &self.used().watched
    }

    /// The maximum number of threads.
    pub(crate) fn size(&self) -> usize {
        self.size as usize
    }

    /// Waits until all blocking work of this run has ended.
    pub(crate) async fn idle(&self) {
        if let Some(Used { permits, .. }) = self.used.get() {
            drop(permits.acquire_many(self.size).await);
        }
    }
}

/// `true` on a thread for blocking work.
pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// Wraps `work` so that it runs on another thread in the same run and mode as on this one.
pub(crate) fn moved<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let (current, inside) = (Current::get(), INSIDE.get());
    move || {
        INSIDE.set(inside);
        let _reset = Reset;
        match current {
            Some(current) => current.scope(work),
            None => work(),
        }
    }
}

struct Reset;

impl Drop for Reset {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// Runs work that computes or blocks on the blocking pool, and waits for it.
///
/// In a factory, the run's limit of blocking threads applies, and the run does not end before the work has ended. On a thread for
/// blocking work, the work runs immediately.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sum = setl::blocking(|| (1..=1_000u64).sum::<u64>()).await;
/// assert_eq!(sum, 500_500);
/// # }
/// ```
///
/// # Panics
/// When `work` panics, or the runtime is shut down.
pub async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    if INSIDE.get() {
        return work();
    }
    let done = match Current::get() {
        Some(current) => {
            current.shared.watch_threads();
            let (pool, owner) = (Arc::clone(&current.shared.pool), current.owner);
            pool.run_for(owner, move || current.scope(work)).await
        }
        None => BlockingPool::new(Some(1), None).run(work).await,
    };
    done.unwrap_or_else(|| panic!("the tokio runtime is shut down"))
}

#[cfg(test)]
mod tests;
