//! How each factory of a run is handled, once all that is said of it is put together.

use super::runner::Options;
use super::select::Selection;
use super::shared::Launch;
use crate::names::did_you_mean;
use crate::plan::Plan;
use crate::policy::{Effective, EffectivePolicy, Policy, differing};

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
}

#[derive(Default)]
/// What holds for a run: for all of it, and for each factory; nothing for these where there is nothing to say of any.
pub(crate) struct Conduct {
    pub(crate) handling: Box<[Handling]>,
    /// None where there is nothing to say of any factory.
    pub(crate) effective: Option<Box<Effective>>,
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
    if let Some(shared) = &options.resources {
        let mut resources: Vec<_> = effective.resources.values().collect();
        resources.sort_unstable_by_key(|resource| resource.name);
        mistakes.extend(resources.into_iter().filter_map(|resource| shared.claim(resource).err()));
    }
    options.concurrency = effective.concurrency.or(options.concurrency);
    options.blocking_threads = effective.blocking_threads.or(options.blocking_threads);
    options.deadline = effective.deadline.or(options.deadline);
    options.keep_going = effective.keep_going.unwrap_or(options.keep_going);
    options.state_dir = effective.state_dir.clone().or(options.state_dir.take());
    let selection = options.selection.take();
    options.is_partial = selection.is_some();
    let keeps = options.checkpoint_all || options.resume;
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
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut handling: Box<[Handling]> = selected
        .into_iter()
        .enumerate()
        .map(|(node, selected)| {
            let EffectivePolicy { mut policy, enabled, .. } = *effective.of_factory(node);
            policy.checkpoint |=
                options.checkpoint_all && !policy.volatile && (launch.steps[node].persistence)().is_some();
            // A condition is asked where the factory is assembled.
            let plain = Policy { conditional: false, ..policy }.is_trivial()
                && plan.factories[node].fallback.is_none();
            Handling { policy, selected, enabled, kept: false, supervised: !plain }
        })
        .collect();
    // Of each factory it has to be known what it has delivered, if one is a checkpoint.
    if options.resume || handling.iter().any(|handling| handling.policy.checkpoint) {
        handling.iter_mut().for_each(|handling| handling.supervised = true);
    }
    Ok(Conduct { handling, effective: Some(Box::new(effective)) })
}

impl Conduct {
    /// Whether the output of a factory is to be kept.
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
