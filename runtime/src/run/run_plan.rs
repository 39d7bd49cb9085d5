//! The plan of a run: all decisions before its first factory starts.

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::factory_config::FactoryConfig;
use super::hook::Hook;
use super::request::Options;
use super::shared::Launch;
use crate::cache::CachePolicy;
use crate::plan::Plan;
use crate::policy::{CodeScope, Effective, Policy};

/// The plan of a run, from the pipeline, the settings and the [request](super::request::Request). A run, `explain` and a dry run
/// are planned by the same functions.
pub(crate) struct RunPlan {
    /// The pipeline, as the passes of the optimiser leave it.
    pub(crate) launch: Launch,
    /// The configuration of each factory; empty if all have the default one.
    pub(crate) factories: Box<[FactoryConfig]>,
    /// The policies after all sources are combined. `None` if no factory has any.
    pub(crate) effective: Option<Box<Effective>>,
    pub(crate) cache: CachePolicy,
    pub(crate) code: Option<CodeScope>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) blocking_threads: Option<usize>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) ending: Ending,
    pub(crate) state_dir: Option<PathBuf>,
    /// `true` if only some factories were selected.
    pub(crate) is_partial: bool,
    /// Set if files are opened before the run.
    pub(crate) run_id: Option<Uuid>,
    /// Remarks for the report, from before the run.
    pub(crate) notes: Vec<String>,
    /// The capabilities that take part in the run, in their order.
    pub(crate) hooks: Vec<Box<dyn Hook>>,
    /// The data that extensions pass on from one of their steps to the next.
    pub(crate) options: Options,
    /// The priority of each factory; empty if all are equal.
    pub(crate) priorities: Vec<f64>,
    /// For each factory, `true` if its output would be taken without the merging of factories. Empty if none was merged.
    pub(crate) taken: Vec<bool>,
    /// The limit of what running factories may need together.
    pub(crate) budget: Option<Budget>,
}

/// The limit of what running factories may need together, in bytes.
pub(crate) struct Budget {
    pub(crate) total: u64,
    /// The need of each factory.
    pub(crate) needs: Vec<u64>,
}

/// The settings that decide how a run ends.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) deadline: Option<Duration>,
    pub(crate) keeps_going: bool,
    pub(crate) commits_partial: bool,
}

impl RunPlan {
    pub(crate) fn plan(&self) -> &Plan {
        &self.launch.plan
    }

    /// The policy of a factory.
    pub(crate) fn policy(&self, node: usize) -> Policy {
        self.factories.get(node).map_or(*self.plan().factories[node].policy, |config| config.policy)
    }

    /// `true` if the output of a factory is looked up in the cache.
    pub(crate) fn has_cached(&self) -> bool {
        self.factories.iter().any(|config| config.selected && config.policy.cache.is_some())
    }

    /// `true` if the output of a factory is kept for a run that resumes this one.
    pub(crate) fn has_checkpoints(&self) -> bool {
        self.factories.iter().any(|config| config.selected && config.policy.checkpoint)
    }
}
