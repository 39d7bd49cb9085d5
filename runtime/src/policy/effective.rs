//! The policies of a run, after all that has a say in them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{Breaker, CodeScope, OnFailure, Policy, Resource};
use crate::cache::CachePolicy;
use crate::plan::Plan;

/// How a run goes: the policies of its factories, and what holds for all of it.
///
/// What a factory says goes before the defaults of its pipeline. `Settings` (feature `config`) may say otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Effective {
    /// Of each factory, in the order of the plan; empty if none of them has any. See [`Effective::of_factory`].
    pub policies: Vec<EffectivePolicy>,
    /// Those that the factories name, and those that stand in for them. See [`Effective::resource`].
    pub resources: HashMap<&'static str, Resource>,
    /// Whether factories that do not depend on a failed one still run, if settings say so.
    pub keep_going: Option<bool>,
    /// How long the run may take.
    pub deadline: Option<Duration>,
    /// How much memory the process may hold, in bytes.
    pub memory_limit: Option<u64>,
    /// How many factories run at once.
    pub concurrency: Option<usize>,
    /// How much blocking work is done at once.
    pub blocking_threads: Option<usize>,
    /// Where the state of runs is kept.
    pub state_dir: Option<PathBuf>,
    /// What the settings say of the cache.
    pub cache: CachePolicy,
    /// What counts as the code of factories that are kept, if the settings say so of all.
    pub code: Option<CodeScope>,
    /// What the settings say of the optimiser.
    pub optimizer: OptimizerOff,
}

/// What settings switch off of the optimiser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptimizerOff {
    /// All of it.
    pub all: bool,
    /// The passes of these names.
    pub passes: Vec<String>,
}

/// The policy of one factory in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EffectivePolicy {
    /// With all defaults in it. No retry is `None`, never `times(0)`; for the bounds of its resource see
    /// [`Effective::resource_of`].
    pub policy: Policy,
    /// Whether it runs at all.
    pub enabled: bool,
    /// Whether its output is cached, if the settings say so of this factory.
    pub cached: Option<bool>,
    /// What counts as its code, if the settings say so of this factory.
    pub code: Option<CodeScope>,
}

impl EffectivePolicy {
    /// Of a factory that says nothing, in a pipeline without defaults.
    pub const NONE: Self = Self { policy: Policy::NONE, enabled: true, cached: None, code: None };
}

impl Effective {
    /// What a pipeline says by itself. Without any policy in it, nothing is allocated.
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
        if plan.says_nothing() {
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
            // Others of this name have the same bounds, or the run does not start.
            resources.entry(resource.name).or_insert(*resource);
        }
        Self { policies, resources, ..Self::default() }
    }

    /// Whether no factory has a policy, and nothing bounds the run in time: then factories are just run.
    pub fn is_trivial(&self) -> bool {
        self.deadline.is_none()
            && self.keep_going != Some(true)
            && self.policies.iter().all(|of| of.enabled && of.policy.is_trivial())
    }

    /// The policy of the factory with this index.
    pub fn of_factory(&self, factory: usize) -> &EffectivePolicy {
        self.policies.get(factory).unwrap_or(&EffectivePolicy::NONE)
    }

    /// A resource with the bounds that hold in this run.
    pub fn resource<'a>(&'a self, resource: &'a Resource) -> &'a Resource {
        self.resources.get(resource.name).unwrap_or(resource)
    }

    /// The resource of the factory with this index, with the bounds that hold in this run.
    pub fn resource_of(&self, factory: usize) -> Option<&Resource> {
        self.of_factory(factory).policy.resource.map(|resource| self.resource(resource))
    }
}

impl Policy {
    /// Whether a factory with this policy is just run.
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

/// Resources of one name whose bounds differ, each in a sentence: nobody could tell which of them hold.
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
    /// As they are written: `at_once(2) and breaker(5, 30s)`.
    pub(super) fn bounds(&self) -> String {
        let at_once = self.at_once.map(|at_once| format!("at_once({at_once})"));
        let breaker = self.breaker.map(|Breaker { failures, open_for }| {
            format!("breaker({failures}, {})", humantime::format_duration(open_for))
        });
        match (at_once, breaker) {
            (Some(at_once), Some(breaker)) => format!("{at_once} and {breaker}"),
            (at_once, breaker) => at_once.or(breaker).unwrap_or_else(|| "no bounds".to_owned()),
        }
    }
}
