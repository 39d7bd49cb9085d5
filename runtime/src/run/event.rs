//! The events of a run.

use std::time::Duration;

/// An event of a run. See [`RunBuilder::observe`](super::RunBuilder::observe).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'run> {
    /// A factory starts: all its inputs are available.
    Started {
        /// The name of the factory.
        factory: &'run str,
    },
    /// A factory reports its progress through its [`Context`](crate::Context).
    Progress {
        /// The name of the factory.
        factory: &'run str,
        /// The number of units that are done.
        done: u64,
        /// The total number of units, if it is known.
        total: Option<u64>,
    },
    /// A factory has delivered.
    Finished {
        /// The name of the factory.
        factory: &'run str,
        /// The time from its start to the end of its writes.
        total: Duration,
        /// The number of rows of its output, if it is known.
        rows: Option<usize>,
    },
    /// An attempt of a factory failed, and another is made after a wait.
    Retrying {
        /// The name of the factory.
        factory: &'run str,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// The error in one line.
        error: &'run str,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// A factory failed in all attempts, and its fallback starts.
    FellBack {
        /// The name of the factory.
        factory: &'run str,
        /// The name of the fallback.
        to: &'run str,
    },
    /// A factory was skipped: by its condition, or because its policy allows it to fail.
    Skipped {
        /// The name of the factory.
        factory: &'run str,
    },
    /// The output of a factory in an earlier run was taken from its checkpoint.
    Restored {
        /// The name of the factory.
        factory: &'run str,
    },
    /// The output of a factory in an earlier run was taken from the cache.
    Cached {
        /// The name of the factory.
        factory: &'run str,
    },
    /// A factory did not run: an equal factory ran, and its output serves both.
    Merged {
        /// The name of the factory.
        factory: &'run str,
        /// The name of the other factory.
        into: &'run str,
    },
    /// A factory returned an error, panicked or timed out in its last attempt.
    Failed {
        /// The name of the factory.
        factory: &'run str,
    },
    /// A factory was dropped before its end, because the run was cancelled or another factory failed.
    Cancelled {
        /// The name of the factory.
        factory: &'run str,
    },
    /// A factory has waited for a thread for a long time. If a factory that holds a thread waits for this one, both wait forever.
    Starving {
        /// The name of the factory.
        factory: &'run str,
        /// The time that it has waited.
        waited: Duration,
        /// The factories of the run that have a thread.
        busy: &'run [&'run str],
        /// The number of threads that the run may use, if all of them are busy. `None` if the run may use more, but the runtime
        /// has no thread left.
        threads: Option<usize>,
    },
    /// All factories have ended, and their writes become visible.
    Committing {
        /// The number of staged writes.
        writes: usize,
    },
    /// The effects of a factory are undone, because the run has failed.
    RollingBack {
        /// The name of the factory.
        factory: &'run str,
    },
}

/// A function that receives every event of a run, on the thread on which it happens.
pub(crate) type Observer = Box<dyn Fn(&Event<'_>) + Send + Sync>;
