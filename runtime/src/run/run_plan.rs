//! The plan of a run: all decisions before its first factory starts.

use std::path::PathBuf;
#[cfg(feature = "optimize")]
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::config::FactoryConfig;
#[cfg(feature = "optimize")]
use super::learn::LearningState;
use super::memory::Memory;
use super::shared::Launch;
use crate::cache::CachePolicy;
use crate::checkpoint::Session;
#[cfg(feature = "optimize")]
use crate::optimize::{Optimizer, plan::Planned};
use crate::plan::Plan;
#[cfg(feature = "optimize")]
use crate::policy::Caching;
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
    pub(crate) memory: Option<Box<Memory>>,
    pub(crate) ending: Ending,
    pub(crate) state_dir: Option<PathBuf>,
    /// `true` if only some factories were selected.
    pub(crate) is_partial: bool,
    /// Set if files are opened before the run.
    pub(crate) run_id: Option<Uuid>,
    /// Remarks for the report, from before the run.
    pub(crate) notes: Vec<String>,
    pub(crate) session: Option<Box<Session>>,
    #[cfg(feature = "optimize")]
    pub(crate) optimizer: Optimizer,
    #[cfg(feature = "optimize")]
    pub(crate) learned: Option<Box<LearningState>>,
    /// The priority of each factory; empty if all are equal.
    #[cfg(feature = "optimize")]
    pub(crate) priorities: Vec<f64>,
    /// For each factory, `true` if its output would be taken without the merging of factories. Empty if none was merged.
    #[cfg(feature = "optimize")]
    pub(crate) taken: Vec<bool>,
    /// The decisions of the passes, if they had something to decide.
    #[cfg(feature = "optimize")]
    pub(crate) planned: Option<Arc<Planned>>,
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

    /// `true` if the output of a factory would be taken by a factory that was merged into another.
    pub(super) fn is_taken_by_merged(&self, _factory: usize) -> bool {
        #[cfg(feature = "optimize")]
        return self.taken.get(_factory).copied().unwrap_or_default();
        #[cfg(not(feature = "optimize"))]
        false
    }

    /// The priorities of the factories; empty if all are equal.
    pub(super) fn take_priorities(&mut self) -> Vec<f64> {
        #[cfg(feature = "optimize")]
        return std::mem::take(&mut self.priorities);
        #[cfg(not(feature = "optimize"))]
        Vec::new()
    }
}

#[cfg(feature = "optimize")]
impl RunPlan {
    /// The factories that could be cached, and are not because of their options, the settings or the request: for these, the
    /// cost decides.
    pub(crate) fn may_be_cached(&self) -> Vec<usize> {
        let may_be = |(node, config): (usize, &FactoryConfig)| {
            let by_settings = self.effective.as_ref().and_then(|effective| effective.of_factory(node).cached);
            let can_be = !config.policy.volatile && (self.launch.steps[node].persistence)().is_some();
            (config.selected && config.policy.cache.is_none() && by_settings != Some(false) && can_be)
                .then_some(node)
        };
        self.factories.iter().enumerate().filter_map(may_be).collect()
    }

    /// Caches the output of this factory, too.
    pub(crate) fn cache_also(&mut self, node: usize) {
        if let Some(config) = self.factories.get_mut(node) {
            config.policy.cache = Some(Caching::DEFAULT);
        }
    }

    /// Gives each factory a configuration of its own, where all had the default one.
    pub(super) fn configure_each(&mut self) {
        if self.factories.is_empty() {
            self.factories = self.plan().factories.iter().map(FactoryConfig::of).collect();
        }
    }
}
