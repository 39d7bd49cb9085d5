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

/// The plan of a whole pipeline: who delivers to whom, who waits for whom, and what is known of each factory.
///
/// Passes get it, and change it by [`prefer`](PipelinePlan::prefer) and [`order`](PipelinePlan::order). Whatever else petgraph
/// can find out is found out on [`graph`](PipelinePlan::graph).
#[derive(Clone, Debug)]
pub struct PipelinePlan {
    pub(super) pipeline: Cow<'static, str>,
    pub(super) stages: Vec<Stage>,
    pub(super) graph: DiGraph<PlanNode, PlanEdge>,
    /// The node of each factory, in the order of the pipeline.
    pub(super) nodes: Vec<NodeIndex>,
    /// Whether some factories were asked for only.
    pub(super) is_partial: bool,
    /// Whether outputs are kept for other runs, or taken from them.
    pub(super) keeps_outputs: bool,
    /// How many factories can run at once.
    pub(super) workers: usize,
    /// Whether what is predicted is [of use](crate::optimize::Interval::if_known) to people, and not only for an order.
    pub(super) is_known: bool,
    /// Counts changes.
    pub(super) revision: u64,
}

/// A node of the plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlanNode {
    /// A value that the pipeline is given.
    Input {
        /// Its name.
        name: Cow<'static, str>,
        /// Its type, as written.
        type_name: &'static str,
    },
    /// A factory.
    Factory(Box<PlannedFactory>),
    /// The barrier after a stage.
    Barrier {
        /// The index of the stage.
        stage: usize,
    },
    /// An output that is there after the run: nobody takes it, or it was asked for.
    Sink {
        /// The factory whose output it is.
        factory: Cow<'static, str>,
    },
}

/// Why a node comes after another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanEdge {
    /// It takes what the other delivers.
    Delivery {
        /// The field or parameter.
        name: &'static str,
        /// Its place among the deliveries.
        at: usize,
        /// Whether it may be absent.
        optional: bool,
        /// Whether it is a delivery of the fallback.
        of_fallback: bool,
    },
    /// It takes the output of the other as its own.
    Same,
    /// Its stage runs one factory after another.
    Sequence,
    /// There is a barrier between them.
    Barrier,
    /// A pass has put it after the other.
    Order,
    /// The output is kept.
    Output,
}

/// What becomes of a factory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It runs.
    Runs,
    /// It does not run, since nobody needs it.
    LeftOut,
    /// It does not run: the factory of this name does the same, and its output is that of both.
    MergedInto(Cow<'static, str>),
}

/// What is known of a factory before it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedFactory {
    /// Its name.
    pub name: Cow<'static, str>,
    /// The index of its stage.
    pub stage: usize,
    /// How it acts on something that is not its output, as far as that can be seen; none if it cannot be seen to.
    pub acts: Option<&'static str>,
    /// What is done when it fails, and before, with all defaults and settings.
    pub policy: Policy,
    /// Whether the settings leave it on.
    pub enabled: bool,
    /// Whether its output is there after the run.
    pub kept: bool,
    /// How many seconds it is predicted to take, if that is known.
    pub seconds: Option<f64>,
    /// Which of those that are ready starts first: that with the highest. What has none comes as if it had 0.
    pub priority: Option<f64>,
    /// What becomes of it.
    pub fate: Fate,
    /// Whether its priority is one that was [asked for](PipelinePlan::prefer).
    pub(crate) preferred: bool,
    pub(super) index: usize,
    pub(super) item: TypeId,
    pub(super) function: &'static str,
    pub(super) output: fn() -> &'static str,
    pub(super) id: Option<&'static str>,
    /// Whether it was asked for.
    pub(super) selected: bool,
    /// Whether something stands in for it, or its output is given.
    pub(super) replaced: bool,
    pub(super) takes_context: bool,
    pub(super) has_fallback: bool,
}

impl PlannedFactory {
    /// The type of its output, without modules.
    pub fn output(&self) -> String {
        short_type((self.output)())
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.fate == Fate::Runs
    }

    /// Whether its output is kept for later runs.
    pub fn cached(&self) -> bool {
        self.policy.cache.is_some()
    }
}

impl PipelinePlan {
    /// The name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Its stages. Passes may have found an earlier one for a factory: see [`PlannedFactory::stage`].
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// How many factories can run at once.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Its factories, in the order of the pipeline.
    pub fn factories(&self) -> impl ExactSizeIterator<Item = &PlannedFactory> {
        self.nodes.iter().map(|node| self.at(*node))
    }

    /// The factory of this name.
    pub fn factory(&self, name: &str) -> Option<&PlannedFactory> {
        self.factories().find(|factory| factory.name == name)
    }

    /// All of it, for petgraph.
    pub fn graph(&self) -> &DiGraph<PlanNode, PlanEdge> {
        &self.graph
    }

    /// What a factory takes: the delivery, and the name of the input or factory that it comes from, in the order of the
    /// deliveries; nothing if there is no such factory. The context of the run is not among them.
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
            // `nodes` has factories only.
            other => unreachable!("{other:?} is no factory"),
        }
    }

    pub(super) fn of_index(&self, factory: usize) -> &PlannedFactory {
        self.at(self.nodes[factory])
    }

    /// What a node is called.
    pub(super) fn name(&self, node: NodeIndex) -> &str {
        match &self.graph[node] {
            PlanNode::Input { name, .. } => name,
            PlanNode::Factory(factory) => &factory.name,
            PlanNode::Barrier { stage } => &self.stages[*stage].name,
            PlanNode::Sink { factory } => factory,
        }
    }

    /// What a factory takes: each delivery, whether it may be absent, and the node that it comes from, in their order.
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

    /// The factories that take the output of a factory, or have it as their own.
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

    /// The factories in an order in which they could run one by one: whenever there is a choice, as the pipeline lists them.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let waits_of = |node| self.graph.neighbors_directed(node, Direction::Incoming).count();
        let mut waits: Vec<usize> = self.graph.node_indices().map(waits_of).collect();
        // Whatever is no factory comes at once.
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
