//! The plan of a pipeline as a graph.

use std::any::TypeId;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::inspect::short_type;
use crate::plan::Stage;
use crate::policy::Policy;

/// The plan of a whole pipeline: the deliveries, the dependencies, and the properties of each factory.
///
/// Passes receive the plan, and change it with [`prefer`](PipelinePlan::prefer) and [`order`](PipelinePlan::order). All
/// algorithms of petgraph work on its [`graph`](PipelinePlan::graph).
#[derive(Clone, Debug)]
pub struct PipelinePlan {
    pub(super) pipeline: Cow<'static, str>,
    pub(super) stages: Vec<Stage>,
    pub(super) graph: DiGraph<PlanNode, PlanEdge>,
    /// The node of each factory, in the order of the pipeline.
    pub(super) nodes: Vec<NodeIndex>,
    /// `true` if only some factories were selected.
    pub(super) is_partial: bool,
    /// `true` if outputs are kept for other runs, or taken from them.
    pub(super) keeps_outputs: bool,
    /// The number of factories that can run at the same time.
    pub(super) workers: usize,
    /// `true` if the prediction is [useful](crate::optimize::Interval::if_known) to people, and not only for an order.
    pub(super) is_known: bool,
    /// The number of changes so far.
    pub(super) revision: u64,
}

/// A node of the plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlanNode {
    /// A value that is given to the pipeline.
    Input {
        /// The name of the input.
        name: Cow<'static, str>,
        /// The type of the input, as written.
        type_name: &'static str,
    },
    /// A factory.
    Factory(Box<PlannedFactory>),
    /// The barrier after a stage.
    Barrier {
        /// The index of the stage.
        stage: usize,
    },
    /// An output that is available after the run: no factory takes it, or it was selected.
    Sink {
        /// The factory of the output.
        factory: Cow<'static, str>,
    },
}

/// The reason why a node comes after another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanEdge {
    /// The node takes the output of the other.
    Delivery {
        /// The field or parameter.
        name: &'static str,
        /// The position among the deliveries.
        at: usize,
        /// `true` if the output may be absent.
        optional: bool,
        /// `true` for a delivery of the fallback.
        of_fallback: bool,
    },
    /// The node uses the output of the other as its own.
    Same,
    /// The stage runs one factory after another.
    Sequence,
    /// There is a barrier between the nodes.
    Barrier,
    /// A pass has set this order.
    Order,
    /// The output is kept.
    Output,
}

/// The planned execution of a factory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// The factory runs.
    Runs,
    /// The factory does not run, because nothing needs it.
    LeftOut,
    /// The factory does not run: the factory with this name does the same, and its output serves both.
    MergedInto(Cow<'static, str>),
}

/// The properties of a factory that are known before it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedFactory {
    /// The name of the factory.
    pub name: Cow<'static, str>,
    /// The index of its stage.
    pub stage: usize,
    /// A text about its effects outside of its output, as far as they are visible. `None` if no effect is visible.
    pub acts: Option<&'static str>,
    /// The policy of the factory, with all defaults and settings.
    pub policy: Policy,
    /// `true` if the settings do not switch the factory off.
    pub enabled: bool,
    /// `true` if its output is available after the run.
    pub kept: bool,
    /// The predicted seconds, if they are known.
    pub seconds: Option<f64>,
    /// The priority: the ready factory with the highest priority starts first. `None` counts as 0.
    pub priority: Option<f64>,
    /// The planned execution.
    pub fate: Fate,
    /// `true` if a pass has [set the priority](PipelinePlan::prefer).
    pub(crate) preferred: bool,
    pub(super) index: usize,
    pub(super) item: TypeId,
    pub(super) function: &'static str,
    pub(super) output: fn() -> &'static str,
    pub(super) id: Option<&'static str>,
    /// `true` if the factory was selected.
    pub(super) selected: bool,
    /// `true` if a replacement runs in its place, or its output is given.
    pub(super) replaced: bool,
    pub(super) takes_context: bool,
    pub(super) has_fallback: bool,
}

impl PlannedFactory {
    /// The type of the output, without modules.
    pub fn output(&self) -> String {
        short_type((self.output)())
    }

    /// `true` if the factory runs.
    pub fn runs(&self) -> bool {
        self.fate == Fate::Runs
    }

    /// `true` if its output is cached for later runs.
    pub fn cached(&self) -> bool {
        self.policy.cache.is_some()
    }
}

impl PipelinePlan {
    /// The name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// The stages. A pass may have found an earlier stage for a factory: see [`PlannedFactory::stage`].
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The number of factories that can run at the same time.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The factories, in the order of the pipeline.
    pub fn factories(&self) -> impl ExactSizeIterator<Item = &PlannedFactory> {
        self.nodes.iter().map(|node| self.at(*node))
    }

    /// The factory with this name.
    pub fn factory(&self, name: &str) -> Option<&PlannedFactory> {
        self.factories().find(|factory| factory.name == name)
    }

    /// The whole plan as a graph of petgraph.
    pub fn graph(&self) -> &DiGraph<PlanNode, PlanEdge> {
        &self.graph
    }

    /// The deliveries of a factory, each with the name of the input or factory that it comes from, in their order. Empty if there
    /// is no such factory. The context of the run is left out.
    pub fn takes(&self, factory: &str) -> Vec<(&'static str, &str)> {
        let Some(factory) = self.factory(factory) else { return Vec::new() };
        self.deliveries(factory.index).into_iter().map(|(name, _, from)| (name, self.name(from))).collect()
    }

    /// The factories that take the output of a factory, in the order of the pipeline.
    pub fn takers(&self, factory: &str) -> Vec<&str> {
        let Some(factory) = self.factory(factory) else { return Vec::new() };
        self.takers_of(factory.index).map(|taker| &*self.of_index(taker).name).collect()
    }

    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn at(&self, node: NodeIndex) -> &PlannedFactory {
        match &self.graph[node] {
            PlanNode::Factory(factory) => factory,
            // `nodes` contains only factories.
            other => unreachable!("{other:?} is no factory"),
        }
    }

    pub(super) fn of_index(&self, factory: usize) -> &PlannedFactory {
        self.at(self.nodes[factory])
    }

    /// The name of a node.
    pub(super) fn name(&self, node: NodeIndex) -> &str {
        match &self.graph[node] {
            PlanNode::Input { name, .. } => name,
            PlanNode::Factory(factory) => &factory.name,
            PlanNode::Barrier { stage } => &self.stages[*stage].name,
            PlanNode::Sink { factory } => factory,
        }
    }

    /// The deliveries of a factory, in their order: the name, `true` if the delivery may be absent, and the node that it comes
    /// from.
    pub(super) fn deliveries(&self, factory: usize) -> Vec<(&'static str, bool, NodeIndex)> {
        let mut all: Vec<_> = self
            .graph
            .edges_directed(self.nodes[factory], Direction::Incoming)
            .filter_map(|edge| match *edge.weight() {
                PlanEdge::Delivery { name, at, optional, of_fallback } => {
                    Some(((of_fallback, at), (name, optional, edge.source())))
                }
                _ => None,
            })
            .collect();
        all.sort_unstable_by_key(|(order, _)| *order);
        all.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// The factories whose outputs a factory takes, each once.
    pub(super) fn producers(&self, factory: usize) -> impl Iterator<Item = usize> {
        let mut all: Vec<usize> = self
            .deliveries(factory)
            .into_iter()
            .filter_map(|(_, _, from)| match &self.graph[from] {
                PlanNode::Factory(factory) => Some(factory.index),
                _ => None,
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    /// The factories that take the output of a factory, or use it as their own.
    pub(super) fn takers_of(&self, factory: usize) -> impl Iterator<Item = usize> {
        let mut all: Vec<usize> = self
            .graph
            .edges_directed(self.nodes[factory], Direction::Outgoing)
            .filter(|edge| matches!(edge.weight(), PlanEdge::Delivery { .. } | PlanEdge::Same))
            .filter_map(|edge| match &self.graph[edge.target()] {
                PlanNode::Factory(factory) => Some(factory.index),
                _ => None,
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    /// The factories in an order in which they could run one by one. The order of the pipeline decides between several ready
    /// factories.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let waits_of = |node| self.graph.neighbors_directed(node, Direction::Incoming).count();
        let mut waits: Vec<usize> = self.graph.node_indices().map(waits_of).collect();
        // Nodes other than factories come first.
        let turn = |node: NodeIndex| match &self.graph[node] {
            PlanNode::Factory(factory) => Reverse((1, factory.index, node)),
            _ => Reverse((0, 0, node)),
        };
        let mut ready: BinaryHeap<_> =
            self.graph.node_indices().filter(|node| waits[node.index()] == 0).map(turn).collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse((is_factory, factory, node))) = ready.pop() {
            if is_factory == 1 {
                order.push(factory);
            }
            for next in self.graph.neighbors(node) {
                waits[next.index()] -= 1;
                if waits[next.index()] == 0 {
                    ready.push(turn(next));
                }
            }
        }
        order
    }
}
