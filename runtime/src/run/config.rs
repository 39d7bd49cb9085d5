//! The configuration of each factory in a run, after all sources are combined.

use super::factory_config::FactoryConfig;
use super::request::{Options, Request};
use super::run_plan::{Ending, RunPlan};
use super::select::Selection;
use super::shared::Launch;
use crate::base::names::{did_you_mean, same};
use crate::cache::{CachePolicy, CacheScope};
use crate::plan::Plan;
use crate::policy::{Caching, Effective, EffectivePolicy, Policy, differing};

/// Combines the pipeline, the settings and the request. Settings take precedence over the request, because they change a program
/// without a rebuild.
///
/// # Errors
/// The reasons why the run cannot start, each in a sentence.
pub(crate) fn configured(launch: Launch, request: &Request) -> Result<RunPlan, Vec<String>> {
    if request.is_default_for_factories() && launch.plan.is_default() {
        return Ok(RunPlan::new(launch, request));
    }
    let plan = &*launch.plan;
    let mut mistakes = Vec::new();
    let effective = effective(&launch, request).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Effective::default()
    });
    mistakes.extend(request.no_write_of.unknown.iter().map(|name| unknown(plan, name)));
    mistakes.extend(differing(plan));
    mistakes.extend((0..effective.policies.len()).filter_map(|node| {
        let Policy { timeout: Some(one), total_timeout: Some(all), .. } = effective.of_factory(node).policy else {
            return None;
        };
        let (one_text, all_text) = (humantime::format_duration(one), humantime::format_duration(all));
        (all < one).then(|| {
            format!(
                "factory `{}`: one attempt may take {one_text} (`timeout`), but all of them together {all_text} \
                 (`total_timeout`); say both of the factory, or neither",
                plan.factories[node].name
            )
        })
    }));
    if let Some(shared) = &request.resources {
        let mut resources: Vec<_> = effective.resources.values().collect();
        resources.sort_unstable_by_key(|resource| resource.name);
        mistakes.extend(resources.into_iter().filter_map(|resource| shared.claim(resource).err()));
    }
    let selection = &request.selection;
    let cache = effective.cache.or(&request.cache.as_deref().cloned().unwrap_or_default());
    let asks_for_cache = cache.scope == Some(CacheScope::All) || cache.is_by_cost() || !cache.also.is_empty();
    let keeps = request.checkpoint_all || request.resume || asks_for_cache;
    if selection.is_none() && effective.policies.is_empty() && !keeps && mistakes.is_empty() {
        return Ok(RunPlan::new(launch, request).with(&effective));
    }
    let selected = match selection {
        None => vec![true; plan.factories.len()],
        Some(selection) => {
            mistakes.extend(selection.unknown.iter().map(|name| unknown(plan, name)));
            if selection.is_empty() {
                mistakes.push("no factory was asked for: say `only`, `up_to` or `from`".to_owned());
            }
            let is_given = |node| request.provided.iter().any(|(provided, _)| *provided == node);
            let selected = selection.resolve(plan, is_given);
            mistakes.extend(selection.nothing_between(plan));
            mistakes.extend(Selection::missing(plan, &selected, is_given));
            // Wrong names and an empty selection are more helpful mistakes than this one.
            if mistakes.is_empty() {
                let given = request.provided.iter();
                mistakes.extend(given.filter_map(|(node, _)| Selection::not_taken(plan, &selected, *node)));
            }
            selected
        }
    };
    mistakes.extend(cache.also.iter().filter_map(|name| cannot_be_cached(&launch, name)));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let code = effective.code.or(request.code);
    let mut factories: Box<[FactoryConfig]> = selected
        .into_iter()
        .enumerate()
        .map(|(node, selected)| {
            let EffectivePolicy { mut policy, enabled, cached, code: by_settings } =
                *effective.of_factory(node);
            policy.code = by_settings.or(code).or(policy.code);
            policy.cache = caching(&launch, &cache, node, &policy, cached);
            policy.checkpoint |=
                request.checkpoint_all && !policy.volatile && (launch.steps[node].persistence)().is_some();
            // A condition is checked where the factory is assembled.
            let plain = Policy { conditional: false, ..policy }.is_trivial()
                && plan.factories[node].fallback.is_none();
            FactoryConfig { policy, selected, enabled, kept: false, supervised: !plain, merged_into: None }
        })
        .collect();
    let is_kept = |config: &FactoryConfig| config.policy.checkpoint || config.policy.cache.is_some();
    // If the output of one factory is kept, the output of every factory must be known.
    if request.resume || cache.is_by_cost() || factories.iter().any(is_kept) {
        factories.iter_mut().for_each(|config| config.supervised = true);
    }
    let plan = RunPlan::new(launch, request).with(&effective);
    Ok(RunPlan { factories, effective: Some(Box::new(effective)), cache, ..plan })
}

impl RunPlan {
    /// The plan of a run with the values of its request.
    pub(crate) fn new(launch: Launch, request: &Request) -> Self {
        Self {
            launch,
            factories: Box::default(),
            effective: None,
            cache: CachePolicy::default(),
            code: request.code,
            concurrency: request.concurrency,
            blocking_threads: request.blocking_threads,
            memory_limit: request.memory_limit,
            ending: Ending {
                deadline: request.deadline,
                keeps_going: request.keep_going,
                commits_partial: request.commit_partial,
            },
            state_dir: request.state_dir.clone(),
            is_partial: request.selection.is_some(),
            run_id: None,
            notes: Vec::new(),
            hooks: Vec::new(),
            options: Options::default(),
            priorities: Vec::new(),
            taken: Vec::new(),
            budget: None,
        }
    }

    /// Applies the settings, which take precedence over the request.
    fn with(mut self, effective: &Effective) -> Self {
        self.code = effective.code.or(self.code);
        self.concurrency = effective.concurrency.or(self.concurrency);
        self.blocking_threads = effective.blocking_threads.or(self.blocking_threads);
        self.memory_limit = effective.memory_limit.or(self.memory_limit);
        self.ending.deadline = effective.deadline.or(self.ending.deadline);
        self.ending.keeps_going = effective.keep_going.unwrap_or(self.ending.keeps_going);
        if let Some(state_dir) = &effective.state_dir {
            self.state_dir = Some(state_dir.clone());
        }
        self.options.set(effective.optimizer.clone());
        self
    }
}

/// The caching of the output of a factory, combined from the run, the settings and the factory. `None` if it is not cached.
fn caching(
    launch: &Launch,
    cache: &CachePolicy,
    node: usize,
    policy: &Policy,
    by_settings: Option<bool>,
) -> Option<Caching> {
    // The settings may switch the whole cache off.
    if cache.scope == Some(CacheScope::Disabled) && cache.also.is_empty() && by_settings != Some(true) {
        return None;
    }
    let can_be = || !policy.volatile && (launch.steps[node].persistence)().is_some();
    let name = &launch.plan.factories[node].name;
    let wanted = match (by_settings, cache.scope) {
        (Some(cached), _) => cached,
        _ if cache.also.iter().any(|also| same(also, name)) => true,
        (None, Some(CacheScope::Disabled)) => false,
        (None, Some(CacheScope::All)) => can_be(),
        (None, Some(CacheScope::ByCost)) => policy.cache.is_some(),
        (None, Some(CacheScope::Declared) | None) => policy.cache.is_some(),
    };
    wanted.then(|| policy.cache.unwrap_or(Caching::DEFAULT))
}

fn cannot_be_cached(launch: &Launch, name: &str) -> Option<String> {
    let Some(node) = launch.plan.factories.iter().position(|node| same(&node.name, name)) else {
        return Some(unknown(&launch.plan, name));
    };
    if launch.plan.factories[node].policy.volatile {
        return Some(format!(
            "factory `{name}` is volatile and runs in every run, so nothing of it is cached"
        ));
    }
    (launch.steps[node].persistence)().is_none().then(|| {
        format!(
            "the output of factory `{name}` cannot be kept on disk, so it cannot be cached: declare `#[factory(cache)]` on it, \
             and the compiler says why"
        )
    })
}

fn effective(launch: &Launch, request: &Request) -> Result<Effective, String> {
    match &request.settings {
        Some(settings) => {
            settings.overridden(&launch.plan, &|node| (launch.steps[node].persistence)().is_some())
        }
        None => Ok(Effective::of(&launch.plan)),
    }
}

fn unknown(plan: &Plan, name: &str) -> String {
    let near = did_you_mean(name, plan.factories.iter().map(|node| &*node.name));
    format!("pipeline `{}` has no factory `{name}`{near}", plan.pipeline)
}
