//! Work that computes or blocks, away from the threads that drive asynchronous work.

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

/// Runs at least this much blocking work at once, unless the run says otherwise.
const FEWEST_THREADS: usize = 8;

/// Work of the run itself.
const NOBODY: Owner = Owner { node: 0, attempt: 0 };

/// Asked for once: the system reads files to answer.
static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

thread_local! {
    /// Whether this thread is itself one for blocking work.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Bounds how much blocking work a run does at once, and knows when all of it is done.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    size: u32,
    /// How long work waits for a thread before that is told; None: as usual.
    pub(super) patience: Option<Duration>,
    /// Made for the first work: most short runs have none.
    used: OnceLock<Used>,
}

#[derive(Debug)]
struct Used {
    permits: Arc<Semaphore>,
    pieces: Arc<Pieces>,
    /// Whether somebody looks after it.
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
    /// Once started, it cannot be interrupted: when the future is dropped, it ends unheard, but not unnoticed by
    /// [`BlockingPool::idle`], which also waits until its result is dropped. It gives nothing where the runtime shut down
    /// before the start.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        self.run_for(NOBODY, work).await
    }

    /// As [`BlockingPool::run`], for an attempt of a factory.
    pub(super) async fn run_for<R: Send + 'static>(
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
            // A result that nobody takes, such as a staged file, is dropped by tokio, and the permit after it.
            (carried(work), permit)
        };
        match spawn_blocking(work).await {
            Ok((Ok(value), _permit)) => Some(value),
            Ok((Err(panic), _permit)) => panic.resume(),
            // The runtime shut down before the start.
            Err(_) => None,
        }
    }

    /// The work that it does or is to do.
    pub(super) fn pieces(&self) -> &Arc<Pieces> {
        &self.used().pieces
    }

    /// What keeps somebody looking after it.
    pub(super) fn watched(&self) -> &OnceLock<Watched> {
        &self.used().watched
    }

    /// How many threads it may use.
    pub(crate) fn size(&self) -> usize {
        self.size as usize
    }

    /// Waits until no blocking work of this run is left.
    pub(crate) async fn idle(&self) {
        if let Some(Used { permits, .. }) = self.used.get() {
            drop(permits.acquire_many(self.size).await);
        }
    }
}

/// Whether this thread is one for blocking work.
#[cfg(all(feature = "polars", feature = "optimize"))]
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// Lets work be done on another thread as it would be on this one.
#[cfg(feature = "polars")]
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
/// In a factory, the run's bound on blocking threads holds, and the run does not end before the work has. On a thread
/// that is there for blocking work, it runs at once.
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
/// When `work` does, or the runtime is shut down.
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
