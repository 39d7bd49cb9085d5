//! What a run says of itself before it begins, and what passes between it and its checkpoints and cache.

use std::time::Duration;

use serde_json::Value;

use super::super::{Code, Fingerprint, FingerprintOf, Persistence};
use crate::Result;
use crate::cache::Cache;
use crate::pipeline::AnyPayload;
use crate::plan::PlanRef;

/// What has to be known of a factory.
#[derive(Clone, Copy, Default)]
pub(crate) struct How {
    /// What is known of its code, with that of its fallback.
    pub(crate) code: Code,
    /// Whether its output is kept.
    pub(crate) checkpoint: bool,
    /// Whether its output is taken from the cache.
    pub(crate) cache: Option<CacheFor>,
    /// Whether its output is added to the cache then.
    pub(crate) adds: bool,
    /// How its output is kept, if it can be.
    pub(crate) persistence: Option<Persistence>,
    /// How the fingerprint of its output is taken, if it is volatile.
    pub(crate) content: Option<FingerprintOf>,
    /// Whether it writes in this run.
    pub(crate) writes: bool,
    /// Whether the run was asked for with it.
    pub(crate) selected: bool,
    /// Whether the settings leave it on.
    pub(crate) enabled: bool,
}

/// For how long an output is taken from the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheFor {
    pub(crate) max_age: Duration,
    /// Whether the factory says so itself.
    pub(crate) is_own: bool,
}

/// What can be done with a write that was kept.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// Whether it can be committed still; why not, if not.
    pub(crate) check: fn(&Value) -> Result<(), String>,
    /// Removes it.
    pub(crate) discard: fn(&Value) -> Result<()>,
}

/// What a run knows before it begins.
pub(crate) struct Setup {
    pub(crate) plan: PlanRef,
    /// In the order of the plan.
    pub(crate) factories: Vec<How>,
    /// In the order of the plan; [`Fingerprint::ABSENT`] for those that are absent, none for those that have none.
    pub(crate) inputs: Vec<Option<Fingerprint>>,
    /// Whether checkpoints of earlier runs are used. Otherwise they are removed.
    pub(crate) resume: bool,
    pub(crate) kept: Kept,
    pub(crate) cache: Option<Cache>,
}

/// What becomes of a factory in this run.
pub(crate) enum Part {
    /// It runs.
    Runs,
    /// Its output is there already.
    Restored(Restored),
    /// It has nothing to deliver that anybody needs.
    LeftOut,
}

/// An output of an earlier run.
pub(crate) struct Restored {
    pub(crate) payload: AnyPayload,
    pub(crate) rows: Option<usize>,
    pub(crate) from: From,
    /// How long it took to compute it; zero if that is unknown.
    pub(crate) took: Duration,
}

/// Where an output of an earlier run was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Checkpoint,
    Cache,
}

/// A factory that has delivered.
pub(crate) struct Ended {
    pub(crate) payload: AnyPayload,
    pub(crate) rows: Option<usize>,
    /// Whether its fallback has delivered in its place.
    pub(crate) by_fallback: bool,
    /// Whether it has written anything that goes with the run if that fails.
    pub(crate) wrote: bool,
    /// Whether it has done anything outside, whatever becomes of that when the run fails, so that taking its output instead of
    /// running it does not come to the same.
    pub(crate) acted: bool,
    /// How long it took; zero if that is unknown.
    pub(crate) took: Duration,
    /// The staged writes that are kept with its checkpoint.
    pub(crate) kept_writes: Vec<Value>,
}
