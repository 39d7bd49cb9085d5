//! Converts the rewritten plan for the executor.

use std::borrow::Cow;

use petgraph::visit::EdgeRef;

use super::graph::{Fate, PipelinePlan, PlanEdge, PlanNode};
use crate::plan::linked::Linked;
use crate::plan::{Delivery, DeliveryMode, Plan, Source, Sources};

/// The only delivery of a factory that uses the output of another.
const SAME: &[Delivery] = &[Delivery {
    name: "output",
    type_name: "its output",
    id: None,
    producer: None,
    optional: false,
    mode: DeliveryMode::Shared,
}];

/// The rewritten plan, in the form that the executor needs.
#[derive(Debug)]
pub(crate) struct Lowered {
    /// The plan to run in place of that of the pipeline. `None` if they are the same.
    pub(crate) plan: Option<Plan>,
    /// The factories that do not run, each with the factory whose output it uses.
    pub(crate) merged: Vec<(usize, usize)>,
    /// The selected factories that nothing needs.
    pub(crate) left_out: Vec<usize>,
    /// The priority of each factory. Empty if no pass has set one.
    pub(crate) priorities: Vec<f64>,
}

impl Lowered {
    /// `plan` is the plan from which `rewritten` was made.
    pub(crate) fn of(rewritten: &PipelinePlan, plan: &Plan) -> Self {
        let by_name = |name: &str| rewritten.factories().position(|factory| factory.name == name);
        let mut lowered =
            Self { plan: None, merged: Vec::new(), left_out: Vec::new(), priorities: Vec::new() };
        for (index, factory) in rewritten.factories().enumerate() {
            match &factory.fate {
                Fate::Runs => {}
                Fate::LeftOut if factory.selected => lowered.left_out.push(index),
                Fate::LeftOut => {}
                // The name belongs to a factory of this plan.
                Fate::MergedInto(name) => lowered.merged.extend(by_name(name).map(|into| (index, into))),
            }
        }
        if rewritten.factories().any(|factory| factory.priority.is_some()) {
            lowered.priorities =
                rewritten.factories().map(|factory| factory.priority.unwrap_or(0.0)).collect();
        }
        let orders = orders(rewritten);
        if !lowered.merged.is_empty() || !orders.is_empty() {
            lowered.plan = Some(relinked(plan, &lowered.merged, &orders));
        }
        lowered
    }
}

/// The orders that passes have set.
fn orders(rewritten: &PipelinePlan) -> Vec<(usize, usize)> {
    let index = |node| match &rewritten.graph[node] {
        PlanNode::Factory(factory) => Some(factory.index),
        _ => None,
    };
    rewritten
        .graph
        .edge_references()
        .filter(|edge| *edge.weight() == PlanEdge::Order)
        .filter_map(|edge| Some((index(edge.source())?, index(edge.target())?)))
        .collect()
}

fn relinked(plan: &Plan, merged: &[(usize, usize)], orders: &[(usize, usize)]) -> Plan {
    let mut plan = plan.clone();
    let factories = plan.factories.to_mut();
    for &(index, into) in merged {
        factories[index].deliveries = SAME;
        factories[index].sources = Cow::Owned(vec![Source::Factory(into)]);
    }
    let from: Vec<_> = plan
        .factories
        .iter()
        .map(|node| Sources {
            own: &node.sources,
            fallback: node.fallback.as_ref().map_or(&[], |fallback| &fallback.sources),
        })
        .collect();
    // A change that would have closed a cycle was refused.
    let Ok(linked) = Linked::of(&from, &plan.stages, orders) else {
        unreachable!("the passes keep the plan without cycles")
    };
    let Linked { offsets, successors, waits, order, levels } = linked;
    plan.offsets = offsets.into();
    plan.successors = successors.into();
    plan.waits = waits.into();
    plan.order = order.into();
    plan.levels = levels.into();
    plan
}
