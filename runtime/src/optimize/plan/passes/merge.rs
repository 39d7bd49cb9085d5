//! Runs a factory once that occurs under several names.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

use petgraph::graph::NodeIndex;

use crate::Result;
use crate::optimize::Pass;
use crate::optimize::plan::{Gain, PassDecision, PipelinePlan, PlanPass, PlannedFactory};

/// Runs one of several factories that are the same function with the same deliveries. Its output serves all of them.
///
/// Merged upstream factories count as the same, so that equal branches are merged from their beginning.
pub(crate) struct MergeIdentical;

impl PlanPass for MergeIdentical {
    fn name(&self) -> &str {
        Pass::MergeIdentical.name()
    }

    fn about(&self) -> &str {
        Pass::MergeIdentical.about()
    }

    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
        let mut same = Same::default();
        let mut left: BTreeMap<usize, (Vec<usize>, &'static str)> = BTreeMap::new();
        let mut decisions = Vec::new();
        for factory in plan.in_order() {
            let of = plan.of_index(factory);
            // The context of the run can tell factories apart by their names, so these are never the same.
            if !of.runs() || !of.selected || !of.enabled || of.replaced || of.takes_context {
                continue;
            }
            let Some(first) = same.first(plan, factory) else { continue };
            let other = plan.of_index(first);
            if let Some(reason) = keeps_apart(plan, of, other) {
                left.entry(first).or_insert((Vec::new(), reason)).0.push(factory);
                continue;
            }
            let reason = format!(
                "run once, as `{}`, since both are `{}` and take the same deliveries",
                other.name, of.function
            );
            let decision = PassDecision::new([other.name.clone(), of.name.clone()], reason);
            decisions.push(match of.seconds {
                Some(seconds) if seconds > 0.0 && plan.is_known => decision.gain(Gain::Seconds(seconds)),
                _ => decision,
            });
            same.canonical.insert(plan.nodes[factory], plan.nodes[first]);
            plan.merge(factory, first);
        }
        for (first, (others, reason)) in left {
            let names = std::iter::once(&first).chain(&others).map(|factory| &*plan.of_index(*factory).name);
            let names: Vec<_> = names.collect();
            let text = format!(
                "each runs, although all are `{}` and take the same deliveries, since {reason}",
                plan.of_index(first).function
            );
            decisions.push(PassDecision::new(names, text));
        }
        Ok(decisions)
    }
}

/// The factories that equal an earlier one.
#[derive(Default)]
struct Same {
    /// The first factory of each type with the same deliveries.
    first: HashMap<(TypeId, Vec<NodeIndex>), usize>,
    /// For each merged factory, the factory that runs in its place.
    canonical: HashMap<NodeIndex, NodeIndex>,
}

impl Same {
    /// The first factory that equals this one, if there is an earlier one.
    fn first(&mut self, plan: &PipelinePlan, factory: usize) -> Option<usize> {
        let sources = plan.deliveries(factory).into_iter();
        let sources =
            sources.map(|(_, _, from)| self.canonical.get(&from).copied().unwrap_or(from)).collect();
        match self.first.entry((plan.of_index(factory).item, sources)) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(place) => {
                place.insert(factory);
                None
            }
        }
    }
}

/// The reason why two equal factories must both run. `None` if they can be merged.
fn keeps_apart(plan: &PipelinePlan, of: &PlannedFactory, other: &PlannedFactory) -> Option<&'static str> {
    let policy = &of.policy;
    if let Some(acts) = of.acts {
        Some(acts)
    } else if policy.volatile {
        Some("it is volatile, and may deliver something else each time")
    } else if policy.resource.is_some() {
        Some("it uses a resource")
    } else if policy.is_skippable() || of.has_fallback {
        Some("it may be skipped or replaced when it fails")
    } else if policy.cache.is_some() || policy.checkpoint || plan.keeps_outputs {
        Some("outputs are kept for other runs, each under its own name")
    } else if *policy != other.policy {
        Some("the settings treat them differently")
    } else {
        None
    }
}
