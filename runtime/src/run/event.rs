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
    /// A factory returned an error or panicked.
    Failed {
        /// Its name.
        factory: &'run str,
    },
    /// A factory was dropped before its end, because the run was cancelled or another factory failed.
    Cancelled {
        /// Its name.
        factory: &'run str,
    },
}

/// Sees every event of a run, from whichever thread it happens on.
pub(crate) type Observer = Box<dyn Fn(&Event<'_>) + Send + Sync>;
