//! Creates the plan for passes from the plan of the pipeline and the options of a run.

use std::any::TypeId;
use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};

use super::graph::{Fate, PipelinePlan, PlanEdge, PlanNode, PlannedFactory};
use crate::optimize::Prediction;
use crate::plan::{Node, Plan, Source};
use crate::policy::Policy;

/// The facts about a run that are known before it.
pub(crate) struct Facts<'run> {
    pub(crate) plan: &'run Plan,
    /// The facts about each factory, in the order of the plan.
    pub(crate) factories: Vec<FactoryFacts>,
    /// `true` if only some factories were selected.
    pub(crate) is_partial: bool,
    /// `true` if outputs are kept for other runs, or taken from them.
    pub(crate) keeps_outputs: bool,
    pub(crate) prediction: Option<&'run Prediction>,
    /// The number of factories that can run at the same time.
    pub(crate) workers: usize,
}

/// The facts about one factory.
pub(crate) struct FactoryFacts {
    pub(crate) item: TypeId,
    pub(crate) function: &'static str,
    pub(crate) acts: Option<&'static str>,
    pub(crate) policy: Policy,
    pub(crate) selected: bool,
    pub(crate) enabled: bool,
    /// `true` if a replacement runs in its place, or its output is given.
    pub(crate) replaced: bool,
}

impl PipelinePlan {
    pub(crate) fn of(facts: &Facts<'_>) -> Self {
        let Facts { plan, factories, is_partial, keeps_outputs, prediction, workers } = facts;
        let seconds = prediction.map(seconds_of).unwrap_or_default();
        let links = plan.successors.len() + plan.inputs.len();
        let mut graph = DiGraph::with_capacity(2 * plan.factories.len() + plan.inputs.len(), links);
        let inputs: Vec<_> = plan
            .inputs
            .iter()
            .map(|input| {
                graph.add_node(PlanNode::Input { name: input.name.clone(), type_name: input.type_name })
            })
            .collect();
        let nodes: Vec<_> = plan
            .factories
            .iter()
            .zip(factories)
            .enumerate()
            .map(|(index, (node, facts))| {
                let seconds = seconds.get(&*node.name).copied();
                graph.add_node(PlanNode::Factory(Box::new(planned(index, node, facts, seconds))))
            })
            .collect();
        let mut planned = Self {
            pipeline: plan.pipeline.clone(),
            stages: plan.stages.to_vec(),
            graph,
            nodes,
            is_partial: *is_partial,
            keeps_outputs: *keeps_outputs,
            workers: *workers,
            is_known: prediction.is_some_and(|of| of.makespan.if_known(of.basis).is_some()),
            revision: 0,
        };
        for (index, node) in plan.factories.iter().enumerate() {
            planned.add_deliveries(index, node, &inputs);
            if node.kept {
                let sink = planned.graph.add_node(PlanNode::Sink { factory: node.name.clone() });
                planned.graph.add_edge(planned.nodes[index], sink, PlanEdge::Output);
            }
        }
        planned.add_stages();
        planned
    }

    fn add_deliveries(&mut self, index: usize, node: &Node, inputs: &[NodeIndex]) {
        let own = node.deliveries.iter().zip(node.sources.iter()).map(|pair| (pair, false));
        let fallback =
            node.fallback.iter().flat_map(|fallback| fallback.deliveries.iter().zip(fallback.sources.iter()));
        for (at, ((delivery, source), of_fallback)) in
            own.chain(fallback.map(|pair| (pair, true))).enumerate()
        {
            let from = match *source {
                Source::Input(input) => inputs[input],
                Source::Factory(factory) => self.nodes[factory],
                Source::Context => continue,
            };
            let edge =
                PlanEdge::Delivery { name: delivery.name, at, optional: delivery.optional, of_fallback };
            self.graph.add_edge(from, self.nodes[index], edge);
        }
    }

    /// Adds the dependencies that follow from stages: see `plan/order.rs`.
    fn add_stages(&mut self) {
        let (mut first, mut gate, mut open) = (0, None, Vec::new());
        for stage in 0..self.stages.len() {
            let end = first + self.stages[stage].factories;
            for index in first..end {
                let node = self.nodes[index];
                if self.stages[stage].sequential && index > first {
                    self.graph.add_edge(self.nodes[index - 1], node, PlanEdge::Sequence);
                }
                if let Some(gate) = gate {
                    self.graph.add_edge(gate, node, PlanEdge::Barrier);
                }
                open.push(node);
            }
            if self.stages[stage].barrier {
                let next = self.graph.add_node(PlanNode::Barrier { stage });
                for before in open.drain(..).chain(gate) {
                    self.graph.add_edge(before, next, PlanEdge::Barrier);
                }
                gate = Some(next);
            }
            first = end;
        }
    }
}

/// The most likely time of each factory.
fn seconds_of(prediction: &Prediction) -> HashMap<&str, f64> {
    prediction.factories.iter().map(|factory| (&*factory.factory, factory.wall.median)).collect()
}

fn planned(index: usize, node: &Node, facts: &FactoryFacts, seconds: Option<f64>) -> PlannedFactory {
    PlannedFactory {
        name: node.name.clone(),
        stage: node.stage,
        acts: facts.acts,
        policy: facts.policy,
        enabled: facts.enabled,
        kept: node.kept,
        seconds,
        priority: None,
        preferred: false,
        fate: Fate::Runs,
        index,
        item: facts.item,
        function: facts.function,
        output: node.output,
        id: node.id,
        selected: facts.selected,
        replaced: facts.replaced,
        takes_context: node.all_sources().any(|source| source == Source::Context),
        has_fallback: node.fallback.is_some(),
    }
}
