//! The set-up of a run, and the values that pass between a run and its checkpoints and cache.

use std::time::Duration;

use serde_json::Value;

use super::super::{Code, Fingerprint, FingerprintOf, Persistence};
use crate::Result;
use crate::cache::Cache;
use crate::pipeline::AnyPayload;
use crate::plan::PlanRef;
use crate::run::step::From;

/// The checkpoint and cache configuration of a factory.
#[derive(Clone, Copy, Default)]
pub(crate) struct How {
    /// The identity of its code, including that of its fallback.
    pub(crate) code: Code,
    /// Is set if its output is kept as a checkpoint.
    pub(crate) checkpoint: bool,
    /// The limits for taking its output from the cache. `None` if it is not cached.
    pub(crate) cache: Option<CacheFor>,
    /// Is set if its output is also added to the cache.
    pub(crate) adds: bool,
    /// The functions that keep its output, if there are any.
    pub(crate) persistence: Option<Persistence>,
    /// The function that computes the fingerprint of its output, if it is volatile.
    pub(crate) content: Option<FingerprintOf>,
    /// Is set if it writes in this run.
    pub(crate) writes: bool,
    /// Is set if it is selected for the run.
    pub(crate) selected: bool,
    /// Is set if the settings enable it.
    pub(crate) enabled: bool,
}

/// The maximum age of an output from the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheFor {
    pub(crate) max_age: Duration,
    /// Is set if the factory declares the age itself.
    pub(crate) is_own: bool,
}

/// The operations on a kept write.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// Checks that it can still be committed. The error says why not.
    pub(crate) check: fn(&Value) -> Result<(), String>,
    /// Removes it.
    pub(crate) discard: fn(&Value) -> Result<()>,
}

/// The knowledge of a run before it begins.
pub(crate) struct Setup {
    pub(crate) plan: PlanRef,
    /// The factories, in the order of the plan.
    pub(crate) factories: Vec<How>,
    /// The fingerprints of the inputs, in the order of the plan. [`Fingerprint::ABSENT`] for absent inputs, `None` for
    /// inputs without a fingerprint.
    pub(crate) inputs: Vec<Option<Fingerprint>>,
    /// Is set if checkpoints of earlier runs are used. Otherwise they are removed.
    pub(crate) resume: bool,
    pub(crate) kept: Kept,
    pub(crate) cache: Option<Cache>,
}

/// The role of a factory in this run.
pub(crate) enum Part {
    /// It runs.
    Runs,
    /// Its output exists already.
    Restored(Restored),
    /// It does not run, because no factory needs its output.
    LeftOut,
}

/// An output of an earlier run.
pub(crate) struct Restored {
    pub(crate) payload: AnyPayload,
    pub(crate) rows: Option<usize>,
    pub(crate) from: From,
    /// The time that computing it took. Zero if that is unknown.
    pub(crate) took: Duration,
}

/// A factory that has delivered.
pub(crate) struct Ended {
    pub(crate) payload: AnyPayload,
    pub(crate) rows: Option<usize>,
    /// Is set if its fallback has delivered in its place.
    pub(crate) by_fallback: bool,
    /// Is set if it has written something that is rolled back if the run fails.
    pub(crate) wrote: bool,
    /// Is set if it had an effect outside the run, whether or not a failed run undoes it. Then taking its output instead
    /// of running it would make a difference.
    pub(crate) acted: bool,
    /// The time that it took. Zero if that is unknown.
    pub(crate) took: Duration,
    /// The staged writes that are kept with its checkpoint.
    pub(crate) kept_writes: Vec<Value>,
}
