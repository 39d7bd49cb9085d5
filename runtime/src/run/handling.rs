//! How each factory of a run is handled, once all that is said of it is put together.

use super::options::Options;
use super::select::Selection;
use super::shared::Launch;
use crate::base::names::{did_you_mean, same};
use crate::cache::{CachePolicy, Whose};
#[cfg(feature = "optimize")]
use crate::plan::Node;
use crate::plan::Plan;
use crate::policy::{Caching, Effective, EffectivePolicy, Policy, differing};

/// What holds for one factory in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handling {
    pub(crate) policy: Policy,
    /// Whether the run was asked for with it.
    pub(crate) selected: bool,
    /// Whether the settings leave it on.
    pub(crate) enabled: bool,
    /// Whether its output is there after the run.
    pub(crate) kept: bool,
    /// Whether there is anything to do but to run it once.
    pub(crate) supervised: bool,
    /// The factory that does the same, and whose output is taken in its place.
    pub(crate) merged_into: Option<usize>,
}

#[derive(Default)]
/// What holds for a run: for all of it, and for each factory; nothing for these where there is nothing to say of any.
pub(crate) struct Conduct {
    pub(crate) handling: Box<[Handling]>,
    /// None where there is nothing to say of any factory.
    pub(crate) effective: Option<Box<Effective>>,
    /// What is said of the cache.
    pub(crate) cache: CachePolicy,
}

/// Puts together what the pipeline, the settings and the caller say of a run.
///
/// Settings go before what the caller says: they are there to change what a program does without building it anew.
///
/// # Errors
/// Why the run cannot start, each mistake in a sentence.
pub(crate) fn of_run(launch: &Launch, options: &mut Options) -> Result<Conduct, Vec<String>> {
    let plan = &launch.plan;
    if options.says_nothing() && plan.says_nothing() {
        return Ok(Conduct::default());
    }
    let mut mistakes = Vec::new();
    let effective = effective(launch, options).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Effective::default()
    });
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
    if let Some(shared) = &options.resources {
        let mut resources: Vec<_> = effective.resources.values().collect();
        resources.sort_unstable_by_key(|resource| resource.name);
        mistakes.extend(resources.into_iter().filter_map(|resource| shared.claim(resource).err()));
    }
    options.concurrency = effective.concurrency.or(options.concurrency);
    options.blocking_threads = effective.blocking_threads.or(options.blocking_threads);
    options.memory_limit = effective.memory_limit.or(options.memory_limit);
    options.deadline = effective.deadline.or(options.deadline);
    options.keep_going = effective.keep_going.unwrap_or(options.keep_going);
    options.code = effective.code.or(options.code);
    options.state_dir = effective.state_dir.clone().or(options.state_dir.take());
    #[cfg(feature = "optimize")]
    options.optimizer.switch_off(&effective.optimizer);
    let selection = options.selection.take();
    options.is_partial = selection.is_some();
    let cache = effective.cache.or(&options.cache.take().map(|policy| *policy).unwrap_or_default());
    let asks_for_cache = cache.whose == Some(Whose::All) || cache.is_by_cost() || !cache.also.is_empty();
    let keeps = options.checkpoint_all || options.resume || asks_for_cache;
    if selection.is_none() && effective.policies.is_empty() && !keeps && mistakes.is_empty() {
        return Ok(Conduct::default());
    }
    let selected = match &selection {
        None => vec![true; plan.factories.len()],
        Some(selection) => {
            mistakes.extend(selection.unknown.iter().map(|name| unknown(plan, name)));
            if selection.is_empty() {
                mistakes.push("no factory was asked for: say `only`, `up_to` or `from`".to_owned());
            }
            let is_given = |node| options.provided.iter().any(|(provided, _)| *provided == node);
            let selected = selection.resolve(plan, is_given);
            mistakes.extend(selection.nothing_between(plan));
            mistakes.extend(Selection::missing(plan, &selected, is_given));
            // Where names are wrong, or nothing is asked for, that says more.
            if mistakes.is_empty() {
                let given = options.provided.iter();
                mistakes.extend(given.filter_map(|(node, _)| Selection::not_taken(plan, &selected, *node)));
            }
            selected
        }
    };
    if cache.is_by_cost() && !options.learns() {
        mistakes.push(
            "`CachePolicy::by_cost()` needs to know what factories cost: add `.learn(Learning::new())` to the run"
                .to_owned(),
        );
    }
    mistakes.extend(cache.also.iter().filter_map(|name| cannot_be_cached(launch, name)));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut handling: Box<[Handling]> = selected
        .into_iter()
        .enumerate()
        .map(|(node, selected)| {
            let EffectivePolicy { mut policy, enabled, cached, code } = *effective.of_factory(node);
            policy.code = code.or(options.code).or(policy.code);
            policy.cache = caching(launch, &cache, node, &policy, cached);
            policy.checkpoint |=
                options.checkpoint_all && !policy.volatile && (launch.steps[node].persistence)().is_some();
            // A condition is asked where the factory is assembled.
            let plain = Policy { conditional: false, ..policy }.is_trivial()
                && plan.factories[node].fallback.is_none();
            Handling { policy, selected, enabled, kept: false, supervised: !plain, merged_into: None }
        })
        .collect();
    let is_kept = |handling: &Handling| handling.policy.checkpoint || handling.policy.cache.is_some();
    // Of each factory it has to be known what it has delivered, if the output of one is kept.
    if options.resume || cache.is_by_cost() || handling.iter().any(is_kept) {
        handling.iter_mut().for_each(|handling| handling.supervised = true);
    }
    Ok(Conduct { handling, effective: Some(Box::new(effective)), cache })
}

/// Whether and for how long the output of a factory is cached, by what the run, the settings and the factory say.
fn caching(
    launch: &Launch,
    cache: &CachePolicy,
    node: usize,
    policy: &Policy,
    by_settings: Option<bool>,
) -> Option<Caching> {
    // It may be the settings that switch all of it off.
    if cache.whose == Some(Whose::Nobodys) && cache.also.is_empty() && by_settings != Some(true) {
        return None;
    }
    let can_be = || !policy.volatile && (launch.steps[node].persistence)().is_some();
    let name = &launch.plan.factories[node].name;
    let wanted = match (by_settings, cache.whose) {
        (Some(cached), _) => cached,
        _ if cache.also.iter().any(|also| same(also, name)) => true,
        (None, Some(Whose::Nobodys)) => false,
        (None, Some(Whose::All)) => can_be(),
        #[cfg(feature = "optimize")]
        (None, Some(Whose::ByCost)) => policy.cache.is_some(),
        (None, Some(Whose::Declared) | None) => policy.cache.is_some(),
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

#[cfg(feature = "optimize")]
impl Conduct {
    /// The factories that could be cached, and are not because of what they, the settings and the caller say: of these, what
    /// they cost decides.
    pub(crate) fn may_be_cached(&self, launch: &Launch) -> Vec<usize> {
        let may_be = |(node, handling): (usize, &Handling)| {
            let by_settings = self.effective.as_ref().and_then(|effective| effective.of_factory(node).cached);
            let can_be = !handling.policy.volatile && (launch.steps[node].persistence)().is_some();
            (handling.selected && handling.policy.cache.is_none() && by_settings != Some(false) && can_be)
                .then_some(node)
        };
        self.handling.iter().enumerate().filter_map(may_be).collect()
    }

    /// Caches the output of this factory, too.
    pub(crate) fn cache_also(&mut self, node: usize) {
        if let Some(handling) = self.handling.get_mut(node) {
            handling.policy.cache = Some(Caching::DEFAULT);
        }
    }
}

impl Conduct {
    /// What holds for a factory.
    pub(crate) fn policy(&self, plan: &Plan, node: usize) -> Policy {
        self.handling.get(node).map_or(*plan.factories[node].policy, |handling| handling.policy)
    }

    /// Says of each factory how it is handled, where nothing was said of any.
    #[cfg(feature = "optimize")]
    pub(super) fn handle_all(&mut self, plan: &Plan) {
        if self.handling.is_empty() {
            // Nothing is to be done but to run each once.
            let of = |node: &Node| Handling {
                policy: *node.policy,
                selected: true,
                enabled: true,
                kept: false,
                supervised: false,
                merged_into: None,
            };
            self.handling = plan.factories.iter().map(of).collect();
        }
    }

    /// Whether the output of a factory is taken from the cache.
    pub(crate) fn has_cached(&self) -> bool {
        self.handling.iter().any(|handling| handling.selected && handling.policy.cache.is_some())
    }

    /// Whether the output of a factory is to be kept for a run that resumes this one.
    pub(crate) fn has_checkpoints(&self) -> bool {
        self.handling.iter().any(|handling| handling.selected && handling.policy.checkpoint)
    }
}

#[cfg(feature = "config")]
fn effective(launch: &Launch, options: &Options) -> Result<Effective, String> {
    match &options.settings {
        Some(settings) => settings
            .apply(&launch.plan, |node| (launch.steps[node].persistence)().is_some())
            .map_err(|error| error.to_string()),
        None => Ok(Effective::of(&launch.plan)),
    }
}

#[cfg(not(feature = "config"))]
fn effective(launch: &Launch, _: &Options) -> Result<Effective, String> {
    Ok(Effective::of(&launch.plan))
}

fn unknown(plan: &Plan, name: &str) -> String {
    let near = did_you_mean(name, plan.factories.iter().map(|node| &*node.name));
    format!("pipeline `{}` has no factory `{name}`{near}", plan.pipeline)
}
