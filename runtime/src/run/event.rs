//! What happens in a run, as it happens.

use std::time::Duration;

/// Something that happened in a run; see [`Runner::observe`](super::Runner::observe).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'run> {
    /// All deliveries of this factory are there, and it begins.
    Started {
        /// Its name.
        factory: &'run str,
    },
    /// A factory told how far it is, through its [`Context`](crate::Context).
    Progress {
        /// Its name.
        factory: &'run str,
        /// Units of work that are done.
        done: u64,
        /// Units of work in all, if known.
        total: Option<u64>,
    },
    /// A factory has delivered.
    Finished {
        /// Its name.
        factory: &'run str,
        /// From its start to the end of its writes.
        total: Duration,
        /// Rows of its output, where they are known.
        rows: Option<usize>,
    },
    /// An attempt of a factory failed, and another is made after a wait.
    Retrying {
        /// Its name.
        factory: &'run str,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// Why, in one line.
        error: &'run str,
        /// How long the wait is.
        delay: Duration,
    },
    /// A factory failed for good, and another stands in for it.
    FellBack {
        /// Its name.
        factory: &'run str,
        /// Who stands in for it.
        to: &'run str,
    },
    /// A factory was left out: by its condition, or because it failed and may be.
    Skipped {
        /// Its name.
        factory: &'run str,
    },
    /// What a factory delivered in an earlier run was taken from its checkpoint.
    Restored {
        /// Its name.
        factory: &'run str,
    },
    /// What a factory delivered in an earlier run was taken from the cache.
    Cached {
        /// Its name.
        factory: &'run str,
    },
    /// A factory did not run: another that does the same has, and its output is that of both.
    Merged {
        /// Its name.
        factory: &'run str,
        /// The other.
        into: &'run str,
    },
    /// A factory returned an error, panicked or took too long, in its last attempt.
    Failed {
        /// Its name.
        factory: &'run str,
    },
    /// A factory was dropped before its end, because the run was cancelled or another factory failed.
    Cancelled {
        /// Its name.
        factory: &'run str,
    },
    /// A factory has waited for a thread for long. If one of those that keep the threads busy waits for it, both wait forever.
    Starving {
        /// Its name.
        factory: &'run str,
        /// How long it has waited.
        waited: Duration,
        /// The factories of the run that have a thread.
        busy: &'run [&'run str],
        /// How many threads the run may use, all of which are busy. None where it may use more, but the runtime has none left.
        threads: Option<usize>,
    },
    /// All factories are done, and what they have written becomes visible.
    Committing {
        /// How many writes were staged.
        writes: usize,
    },
    /// What a factory did is undone, since the run has failed.
    RollingBack {
        /// Its name.
        factory: &'run str,
    },
}

/// Sees every event of a run, from whichever thread it happens on.
pub(crate) type Observer = Box<dyn Fn(&Event<'_>) + Send + Sync>;
