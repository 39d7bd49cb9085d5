//! How each factory of a run is handled, once all that is said of it is put together.

use super::executor::Launch;
use super::runner::Options;
use super::select::Selection;
use crate::plan::{Node, Plan};
use crate::policy::{OnFailure, Policy};

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

/// How each factory of a run is handled; nothing where there is nothing to say of any.
///
/// # Errors
/// Why the run cannot start, each mistake in a sentence.
pub(crate) fn of_run(launch: &Launch, options: &mut Options) -> Result<Box<[Handling]>, Vec<String>> {
    let plan = &launch.plan;
    let selection = options.selection.take();
    let plain = |node: &Node| !needs_supervision(node.policy);
    if selection.is_none() && !needs_supervision(&plan.defaults) && plan.factories.iter().all(plain) {
        return Ok(Box::default());
    }
    let mut mistakes = Vec::new();
    let selected = match &selection {
        None => vec![true; plan.factories.len()],
        Some(selection) => {
            mistakes.extend(selection.unknown.iter().map(|name| unknown(plan, name)));
            let selected = selection.resolve(plan);
            let is_there = |node| options.provided.iter().any(|(provided, _)| *provided == node);
            mistakes.extend(Selection::missing(plan, &selected, is_there));
            selected
        }
    };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let handling = plan.factories.iter().zip(selected).map(|(node, selected)| {
        let policy = node.policy.or(&plan.defaults);
        Handling { policy, selected, enabled: true, kept: false, supervised: needs_supervision(&policy) }
    });
    Ok(handling.collect())
}

/// Whether there is anything to do for a factory but to run it once.
fn needs_supervision(policy: &Policy) -> bool {
    policy.retry.is_some()
        || policy.timeout.is_some()
        || policy.total_timeout.is_some()
        || policy.resource.is_some()
        || policy.on_failure != OnFailure::Fail
        || policy.checkpoint
}

fn unknown(plan: &Plan, name: &str) -> String {
    let names = plan.factories.iter().map(|node| &*node.name);
    let near = names
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let near = near.map(|(_, other)| format!(", did you mean `{other}`?")).unwrap_or_default();
    format!("pipeline `{}` has no factory `{name}`{near}", plan.pipeline)
}
