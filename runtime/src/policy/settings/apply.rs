//! Combines settings with the policies of a pipeline.

use super::read::{
    BreakerOverride, FactoryOverride, Named, Overrides, Placed, PolicyOverride, ResourceOverride,
    RetryOverride,
};
use super::value::Switch;
use crate::base::names::{did_you_mean, plain, same};
use crate::plan::{Node, Plan};
use crate::policy::{Breaker, Caching, Effective, EffectivePolicy, OnFailure, Policy, Resource, Retry};

pub(super) fn apply(
    overrides: &Overrides,
    plan: &Plan,
    can_persist: impl Fn(usize) -> bool,
    mistakes: &mut Vec<String>,
) -> Effective {
    let defaults = over(&overrides.defaults, plan.defaults, mistakes);
    let policies = plan.factories.iter().map(|node| node.policy.or(&defaults));
    let mut policies: Vec<_> =
        policies.map(|policy| EffectivePolicy { policy, ..EffectivePolicy::NONE }).collect();
    let names: Vec<&str> = plan.factories.iter().map(|node| &*node.name).collect();
    for named in &overrides.factories {
        match find(named, &names) {
            Some(factory) => {
                let node = &plan.factories[factory];
                check(&named.says, node, || can_persist(factory), mistakes);
                apply_to_factory(&named.says, &mut policies[factory], mistakes);
            }
            None => mistakes.push(unknown(named, "factory", &names, &plan.pipeline)),
        }
    }
    let mut effective = Effective::with(plan, policies);
    let mut names: Vec<&'static str> = effective.resources.keys().copied().collect();
    names.sort_unstable();
    for named in &overrides.resources {
        match find(named, &names).and_then(|resource| effective.resources.get_mut(names[resource])) {
            Some(resource) => apply_to_resource(&named.says, resource, mistakes),
            None => mistakes.push(unknown(named, "resource", &names, &plan.pipeline)),
        }
    }
    effective.keep_going = overrides.keep_going;
    effective.deadline = overrides.deadline;
    effective.memory_limit = overrides.memory_limit;
    effective.concurrency = overrides.concurrency;
    effective.blocking_threads = overrides.blocking_threads;
    effective.state_dir = overrides.state_dir.clone();
    effective.cache = overrides.cache.clone();
    effective.code = overrides.code;
    effective.optimizer = overrides.optimizer.clone();
    effective
}

/// Returns the position of the named item. A name in a variable may be spelled differently if only one item matches.
fn find<T>(named: &Named<T>, names: &[&str]) -> Option<usize> {
    names.iter().position(|name| same(name, &named.name)).or_else(|| {
        let wanted = named.by_variable.then(|| plain(&named.name))?;
        let mut alike = names.iter().enumerate().filter(|(_, name)| plain(name) == wanted);
        let (position, _) = alike.next()?;
        alike.next().is_none().then_some(position)
    })
}

fn unknown<T>(named: &Named<T>, kind: &str, names: &[&str], pipeline: &str) -> String {
    let Named { name, place, .. } = named;
    let near = did_you_mean(name, names.iter().copied());
    format!("{place}: pipeline `{pipeline}` has no {kind} `{name}`{near}")
}

/// Checks that settings do not change properties that other factories were compiled to rely on.
fn check(says: &FactoryOverride, node: &Node, can_persist: impl Fn() -> bool, mistakes: &mut Vec<String>) {
    let name = &node.name;
    let relied_on = || {
        format!(
            "others rely on the output of factory `{name}`; declare `#[factory(on_failure = skip)]` on it, so that \
             they take it as `optional`"
        )
    };
    let skippable = node.policy.is_skippable();
    if let Some(enabled) = &says.enabled
        && !enabled.value
        && !skippable
    {
        mistakes.push(format!("{}: {}", enabled.place, relied_on()));
    }
    if let Some(on_failure) = &says.on_failure {
        let place = &on_failure.place;
        match on_failure.value {
            OnFailure::Skip if !skippable => mistakes.push(format!("{place}: {}", relied_on())),
            OnFailure::Fallback if node.fallback.is_none() => mistakes.push(format!(
                "{place}: factory `{name}` has no fallback; declare `#[factory(on_failure = fallback(…))]` on it"
            )),
            _ => {}
        }
    }
    if let Some(checkpoint) = &says.checkpoint
        && checkpoint.value
        && !can_persist()
    {
        mistakes.push(format!(
            "{}: the output of factory `{name}` cannot be kept on disk; derive `serde::Serialize` and \
             `serde::Deserialize` on its output",
            checkpoint.place
        ));
    }
    if let Some(Placed { value: Switch::To(_), place }) = &says.cache {
        if node.policy.volatile {
            mistakes.push(format!(
                "{place}: factory `{name}` is volatile and runs in every run, so nothing of it is cached"
            ));
        } else if !can_persist() {
            mistakes.push(format!(
                "{place}: the output of factory `{name}` cannot be kept on disk; declare `#[factory(cache)]` on it"
            ));
        }
    }
}

fn apply_to_factory(says: &FactoryOverride, to: &mut EffectivePolicy, mistakes: &mut Vec<String>) {
    to.policy = over(&says.policy, to.policy, mistakes);
    if let Some(on_failure) = &says.on_failure {
        to.policy.on_failure = on_failure.value;
    }
    if let Some(checkpoint) = &says.checkpoint {
        to.policy.checkpoint = checkpoint.value;
    }
    match says.cache.as_ref().map(|cache| cache.value) {
        Some(Switch::Off) => (to.policy.cache, to.cached) = (None, Some(false)),
        Some(Switch::To(Caching { max_age })) => {
            let before = to.policy.cache.and_then(|before| before.max_age);
            (to.policy.cache, to.cached) = (Some(Caching { max_age: max_age.or(before) }), Some(true));
        }
        None => {}
    }
    to.code = says.policy.code;
    match says.memory {
        Some(Switch::Off) => to.policy.memory = None,
        Some(Switch::To(memory)) => to.policy.memory = Some(memory),
        None => {}
    }
    if let Some(enabled) = &says.enabled {
        to.enabled = enabled.value;
    }
}

fn apply_to_resource(says: &ResourceOverride, to: &mut Resource, mistakes: &mut Vec<String>) {
    match says.max_concurrent {
        Some(Switch::Off) => to.max_concurrent = None,
        Some(Switch::To(max_concurrent)) => to.max_concurrent = Some(max_concurrent),
        None => {}
    }
    let Some(breaker) = &says.breaker else { return };
    to.breaker = match breaker.value {
        Switch::Off => None,
        Switch::To(BreakerOverride { failures, open_for }) => {
            let failures = failures.or(to.breaker.map(|breaker| breaker.failures));
            let open_for = open_for.or(to.breaker.map(|breaker| breaker.open_for));
            match (failures, open_for) {
                (Some(failures), Some(open_for)) => Some(Breaker { failures, open_for }),
                _ => {
                    mistakes.push(format!(
                        "{}: resource `{}` has no breaker yet, so both `failures` and `open_for` are needed",
                        breaker.place, to.name
                    ));
                    None
                }
            }
        }
    };
}

/// Returns a policy with the settings applied.
fn over(says: &PolicyOverride, policy: Policy, mistakes: &mut Vec<String>) -> Policy {
    let limit = |says, before| match says {
        Some(Switch::Off) => None,
        Some(Switch::To(limit)) => Some(limit),
        None => before,
    };
    let retry = match &says.retry {
        Some(Placed { value: Switch::Off, .. }) => None,
        Some(Placed { value: Switch::To(says), place }) => {
            if says.times.is_none() && policy.retry.is_none() {
                mistakes.push(format!("{place}: nothing is tried again yet, so `times` is needed"));
            }
            Some(over_retry(says, policy.retry))
        }
        None => policy.retry,
    };
    Policy {
        retry,
        timeout: limit(says.timeout, policy.timeout),
        total_timeout: limit(says.total_timeout, policy.total_timeout),
        code: says.code.or(policy.code),
        ..policy
    }
}

/// Returns the retries with the settings applied. Absent settings keep their value.
fn over_retry(says: &RetryOverride, before: Option<Retry>) -> Retry {
    let before = before.unwrap_or(Retry::times(0));
    let (delay, max_delay) = says.backoff.unwrap_or((before.delay, before.max_delay));
    Retry {
        times: says.times.unwrap_or(before.times),
        delay,
        max_delay,
        factor: says.factor.unwrap_or(before.factor),
        jitter: says.jitter.unwrap_or(before.jitter),
        on: says.on.unwrap_or(before.on),
    }
}
