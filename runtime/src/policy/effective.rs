//! The policies of a run, after all sources are combined.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{Breaker, CodeScope, OnFailure, Policy, Resource};
use crate::cache::CachePolicy;
use crate::plan::Plan;

/// A source of settings, which take precedence over the code.
pub(crate) trait SettingsSource: Send + Sync {
    /// Combines the settings with the policies of a pipeline. `can_persist` tells whether the output of a factory can be kept.
    ///
    /// # Errors
    /// All mistakes in the settings, as a text.
    fn overridden(&self, plan: &Plan, can_persist: &dyn Fn(usize) -> bool) -> Result<Effective, String>;
}

/// The policies of all factories in a run, and the settings of the run itself.
///
/// The options of a factory take precedence over the defaults of its pipeline. `Settings` (feature `config`) take precedence over
/// both.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Effective {
    /// The policy of each factory, in the order of the plan; empty if no factory has one. See [`Effective::of_factory`].
    pub policies: Vec<EffectivePolicy>,
    /// The resources of the factories and of their fallbacks. See [`Effective::resource`].
    pub resources: HashMap<&'static str, Resource>,
    /// `true` if factories that do not depend on a failed one still run. `None` if the settings do not specify it.
    pub keep_going: Option<bool>,
    /// The time limit of the run.
    pub deadline: Option<Duration>,
    /// The memory limit of the process in bytes.
    pub memory_limit: Option<u64>,
    /// The maximum number of factories that run at the same time.
    pub concurrency: Option<usize>,
    /// The maximum number of blocking threads.
    pub blocking_threads: Option<usize>,
    /// The directory for the state of runs.
    pub state_dir: Option<PathBuf>,
    /// The settings of the cache.
    pub cache: CachePolicy,
    /// The scope of the code that counts for all cached and checkpointed factories, if the settings specify it.
    pub code: Option<CodeScope>,
    /// The parts of the optimiser that the settings switch off.
    pub optimizer: OptimizerOff,
}

/// The parts of the optimiser that settings switch off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptimizerOff {
    /// `true` if the whole optimiser is off.
    pub all: bool,
    /// The names of the passes that are off.
    pub passes: Vec<String>,
}

/// The policy of one factory in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EffectivePolicy {
    /// The policy with all defaults applied. No retry is `None`, never `times(0)`. For the bounds of its resource see
    /// [`Effective::resource_of`].
    pub policy: Policy,
    /// `true` if the factory runs.
    pub enabled: bool,
    /// `true` if its output is cached. `None` if the settings do not specify it for this factory.
    pub cached: Option<bool>,
    /// The scope of the code that counts, if the settings specify it for this factory.
    pub code: Option<CodeScope>,
}

impl EffectivePolicy {
    /// The policy of a factory without options, in a pipeline without defaults.
    pub const NONE: Self = Self { policy: Policy::NONE, enabled: true, cached: None, code: None };
}

impl Effective {
    /// Returns the policies that are declared in the pipeline itself. Allocates nothing if there are none.
    ///
    /// ```
    /// use setl::prelude::*;
    /// use setl::pipeline::PipelineItem;
    /// use setl::policy::Effective;
    ///
    /// #[factory]
    /// fn answer() -> u32 {
    ///     42
    /// }
    ///
    /// #[pipeline(only(answer))]
    /// struct Deep;
    ///
    /// assert!(Effective::of(Deep::PLAN).is_trivial());
    /// ```
    pub fn of(plan: &Plan) -> Self {
        if plan.is_default() {
            return Self::default();
        }
        let policies = plan.factories.iter().map(|node| node.policy.or(&plan.defaults));
        Self::with(plan, policies.map(|policy| EffectivePolicy { policy, ..EffectivePolicy::NONE }).collect())
    }

    pub(super) fn with(plan: &Plan, mut policies: Vec<EffectivePolicy>) -> Self {
        for EffectivePolicy { policy, .. } in &mut policies {
            policy.retry = policy.retry.filter(|retry| retry.times > 0);
        }
        let mut resources = HashMap::<_, Resource>::new();
        let stand_ins = plan.factories.iter().filter_map(|node| node.fallback.as_ref());
        let all = policies.iter().map(|of| of.policy.resource);
        for resource in all.chain(stand_ins.map(|fallback| fallback.policy.resource)).flatten() {
            // Resources of the same name have the same bounds; otherwise the run does not start.
            resources.entry(resource.name).or_insert(*resource);
        }
        Self { policies, resources, ..Self::default() }
    }

    /// Returns `true` if no factory has a policy and the run has no deadline. Then factories run directly.
    pub fn is_trivial(&self) -> bool {
        self.deadline.is_none()
            && self.keep_going != Some(true)
            && self.policies.iter().all(|of| of.enabled && of.policy.is_trivial())
    }

    /// Returns the policy of the factory with this index.
    pub fn of_factory(&self, factory: usize) -> &EffectivePolicy {
        self.policies.get(factory).unwrap_or(&EffectivePolicy::NONE)
    }

    /// Returns a resource with the bounds that apply in this run.
    pub fn resource<'a>(&'a self, resource: &'a Resource) -> &'a Resource {
        self.resources.get(resource.name).unwrap_or(resource)
    }

    /// Returns the resource of the factory with this index, with the bounds that apply in this run.
    pub fn resource_of(&self, factory: usize) -> Option<&Resource> {
        self.of_factory(factory).policy.resource.map(|resource| self.resource(resource))
    }
}

impl Policy {
    /// Returns `true` if a factory with this policy runs directly.
    pub const fn is_trivial(&self) -> bool {
        self.retry.is_none()
            && self.timeout.is_none()
            && self.total_timeout.is_none()
            && matches!(self.on_failure, OnFailure::Fail)
            && !self.conditional
            && !self.checkpoint
            && self.cache.is_none()
            && self.resource.is_none()
    }
}

/// Returns a sentence for each resource name that is declared with different bounds, since the bounds would be ambiguous.
pub(crate) fn differing(plan: &Plan) -> Vec<String> {
    let mut known: Vec<(&Resource, &str)> = Vec::new();
    let mut mistakes = Vec::new();
    let own = plan.factories.iter().map(|node| (node.policy.resource, &*node.name));
    let stand_ins = plan.factories.iter().filter_map(|node| node.fallback.as_ref());
    let stand_ins = stand_ins.map(|fallback| (fallback.policy.resource, fallback.name));
    for (resource, factory) in own.chain(stand_ins) {
        let Some(resource) = resource else { continue };
        match known.iter().find(|(other, _)| other.name == resource.name) {
            None => known.push((resource, factory)),
            Some((other, _)) if *other == resource => {}
            Some((other, first)) => mistakes.push(format!(
                "resource `{}` of factory `{first}` has {}, and the one of this name of factory `{factory}` has {}: name the \
                 same `static` in both, or give one another name",
                resource.name,
                other.bounds(),
                resource.bounds()
            )),
        }
    }
    mistakes
}

impl Resource {
    /// Formats the bounds as in source code: `max_concurrent(2) and breaker(5, 30s)`.
    pub(super) fn bounds(&self) -> String {
        let max_concurrent =
            self.max_concurrent.map(|max_concurrent| format!("max_concurrent({max_concurrent})"));
        let breaker = self.breaker.map(|Breaker { failures, open_for }| {
            format!("breaker({failures}, {})", humantime::format_duration(open_for))
        });
        match (max_concurrent, breaker) {
            (Some(max_concurrent), Some(breaker)) => format!("{max_concurrent} and {breaker}"),
            (max_concurrent, breaker) => max_concurrent.or(breaker).unwrap_or_else(|| "no bounds".to_owned()),
        }
    }
}
