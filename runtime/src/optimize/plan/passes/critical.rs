//! Starts the factory with the longest remaining path first.

use petgraph::visit::EdgeRef;

use crate::Result;
use crate::optimize::Pass;
use crate::optimize::plan::{Fate, Gain, PassDecision, PipelinePlan, PlanNode, PlanPass};
use setl_learn::simulate::{Costs, Graph, critical_path, simulate, upward_rank};

/// Sets the priority of each factory to its [upward rank](upward_rank), from the predicted times.
pub(crate) struct CriticalPath;

impl PlanPass for CriticalPath {
    fn name(&self) -> &str {
        Pass::CriticalPath.name()
    }

    fn about(&self) -> &str {
        Pass::CriticalPath.about()
    }

    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
        if plan.factories().all(|factory| factory.seconds.is_none()) {
            return Ok(Vec::new());
        }
        let seconds: Vec<f64> = plan
            .factories()
            .map(|factory| match factory.fate {
                Fate::Runs => factory.seconds.unwrap_or(0.0),
                _ => 0.0,
            })
            .collect();
        let graph = waiting(plan);
        let ranks = upward_rank(&graph, &seconds);
        let makespan = |priorities: &[f64]| {
            simulate(&graph, plan.workers, Costs { seconds: &seconds, priorities, bytes: &[] }).makespan
        };
        let gain = makespan(&[]) - makespan(&ranks);
        let path: Vec<_> = critical_path(&graph, &seconds)
            .into_iter()
            .filter(|&node| node < seconds.len() && plan.of_index(node).runs())
            .collect();
        for (factory, rank) in ranks.into_iter().enumerate().take(seconds.len()) {
            let factory = plan.edit(factory);
            (factory.priority, factory.preferred) = (Some(rank), false);
        }
        let names = path.iter().map(|factory| &*plan.of_index(*factory).name);
        let reason = "the critical path: the run takes at least as long as these one after another, so what the most seconds \
                      wait for starts first";
        let decision = PassDecision::new(names, reason);
        // A gain below one millisecond is not reported.
        Ok(vec![if gain > 1e-3 && plan.is_known { decision.gain(Gain::Makespan(gain)) } else { decision }])
    }
}

/// The dependencies: factories by their index, then barriers.
pub(crate) fn waiting(plan: &PipelinePlan) -> Graph {
    let factories = plan.factories().len();
    let mut number = vec![None; plan.graph().node_count()];
    let mut nodes = factories;
    for node in plan.graph().node_indices() {
        number[node.index()] = match &plan.graph()[node] {
            PlanNode::Factory(factory) => Some(factory.index),
            PlanNode::Barrier { .. } => {
                nodes += 1;
                Some(nodes - 1)
            }
            PlanNode::Input { .. } | PlanNode::Sink { .. } => None,
        };
    }
    let links: Vec<_> = plan
        .graph()
        .edge_references()
        .filter_map(|edge| Some((number[edge.source().index()]?, number[edge.target().index()]?)))
        .collect();
    Graph::new(nodes, &links)
}
