//! The events of a run.

use std::fmt;
use std::time::Duration;

use super::error::RunError;

/// An event of a run. See [`Observer`](super::Observer).
///
/// [`RunStarted`](Event::RunStarted) is the first event of each run, and [`RunEnded`](Event::RunEnded) the last. Between them, each
/// factory of the plan has exactly one [terminal](Event::is_terminal) event. A factory that ran has [`Started`](Event::Started)
/// before it. A run that cannot start has no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'run> {
    /// The run starts.
    RunStarted {
        /// The number of factories in the plan. Each of them will have one [terminal](Event::is_terminal) event.
        factories: usize,
    },
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
    /// A factory was skipped: by its condition or the settings, or because its policy allows it to fail.
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
    /// A factory never started, because an upstream factory failed, or because the run ended.
    NotRun {
        /// The name of the factory.
        factory: &'run str,
        /// The upstream factory whose failure prevented this one from running. `None` if the run ended before.
        failed_upstream: Option<&'run str>,
    },
    /// A factory was not selected for the run, or nothing needed its output.
    NotSelected {
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
    /// The run has ended, and its writes are visible or undone.
    RunEnded {
        /// The end of the run: success, or the reason.
        status: RunStatus,
        /// The time from the start of the run to its end, as in its [report](super::Report::makespan).
        makespan: Duration,
    },
}

impl<'run> Event<'run> {
    /// The name of the factory, if the event is about one. Names are unique in a pipeline.
    pub const fn factory(&self) -> Option<&'run str> {
        match *self {
            Event::Started { factory }
            | Event::Progress { factory, .. }
            | Event::Finished { factory, .. }
            | Event::Retrying { factory, .. }
            | Event::FellBack { factory, .. }
            | Event::Skipped { factory }
            | Event::Restored { factory }
            | Event::Cached { factory }
            | Event::Merged { factory, .. }
            | Event::Failed { factory }
            | Event::Cancelled { factory }
            | Event::NotRun { factory, .. }
            | Event::NotSelected { factory }
            | Event::Starving { factory, .. }
            | Event::RollingBack { factory } => Some(factory),
            Event::RunStarted { .. } | Event::Committing { .. } | Event::RunEnded { .. } => None,
        }
    }

    /// The name of the event in snake case, such as `run_started`: for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Event::RunStarted { .. } => "run_started",
            Event::Started { .. } => "started",
            Event::Progress { .. } => "progress",
            Event::Finished { .. } => "finished",
            Event::Retrying { .. } => "retrying",
            Event::FellBack { .. } => "fell_back",
            Event::Skipped { .. } => "skipped",
            Event::Restored { .. } => "restored",
            Event::Cached { .. } => "cached",
            Event::Merged { .. } => "merged",
            Event::Failed { .. } => "failed",
            Event::Cancelled { .. } => "cancelled",
            Event::NotRun { .. } => "not_run",
            Event::NotSelected { .. } => "not_selected",
            Event::Starving { .. } => "starving",
            Event::Committing { .. } => "committing",
            Event::RollingBack { .. } => "rolling_back",
            Event::RunEnded { .. } => "run_ended",
        }
    }

    /// `true` if the event is the end of a factory. It has the same meaning as the [`Status`](super::Status) of the factory in the
    /// report.
    pub const fn is_terminal(&self) -> bool {
        match self {
            Event::Finished { .. }
            | Event::Skipped { .. }
            | Event::Restored { .. }
            | Event::Cached { .. }
            | Event::Merged { .. }
            | Event::Failed { .. }
            | Event::Cancelled { .. }
            | Event::NotRun { .. }
            | Event::NotSelected { .. } => true,
            Event::RunStarted { .. }
            | Event::Started { .. }
            | Event::Progress { .. }
            | Event::Retrying { .. }
            | Event::FellBack { .. }
            | Event::Starving { .. }
            | Event::Committing { .. }
            | Event::RollingBack { .. }
            | Event::RunEnded { .. } => false,
        }
    }
}

/// The end of a run: success, or one of the reasons of [`RunError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunStatus {
    /// The run succeeded.
    Succeeded,
    /// A factory or the commit failed.
    Failed,
    /// The commit was decided, but is not complete.
    CommitUnfinished,
    /// The run was cancelled.
    Cancelled,
    /// The run exceeded its deadline.
    DeadlineExceeded,
    /// The process exceeded its memory limit.
    MemoryExceeded,
    /// The future of the run was dropped before its end. The writes of the run are undone, unless its commit was decided.
    Dropped,
}

impl RunStatus {
    pub(crate) fn of(error: Option<&RunError>) -> Self {
        match error {
            None => RunStatus::Succeeded,
            Some(RunError::CommitUnfinished { .. }) => RunStatus::CommitUnfinished,
            Some(RunError::Cancelled { .. }) => RunStatus::Cancelled,
            Some(RunError::DeadlineExceeded { .. }) => RunStatus::DeadlineExceeded,
            Some(RunError::MemoryExceeded { .. }) => RunStatus::MemoryExceeded,
            Some(RunError::Failed { .. } | RunError::CannotStart { .. } | RunError::NoRuntime { .. }) => {
                RunStatus::Failed
            }
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::CommitUnfinished => "commit unfinished",
            RunStatus::Cancelled => "cancelled",
            RunStatus::DeadlineExceeded => "deadline exceeded",
            RunStatus::MemoryExceeded => "memory exceeded",
            RunStatus::Dropped => "dropped",
        })
    }
}
