//! The changes that passes make to a plan.

use std::collections::{HashMap, VecDeque};

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::error::PlanError;
use super::graph::{Fate, PipelinePlan, PlanEdge, PlanNode, PlannedFactory};
use crate::base::names::did_you_mean;

impl PipelinePlan {
    /// Sets the priority of a factory: the ready factory with the highest priority starts first. Default: 0. If times are
    /// predicted, the pass `critical-path` sets each priority to the [upward rank](setl_learn::simulate::upward_rank), in
    /// seconds.
    ///
    /// # Errors
    /// When there is no such factory, or the priority is no finite number.
    pub fn prefer(&mut self, factory: &str, priority: f64) -> Result<(), PlanError> {
        let index = self.find(factory)?;
        if !priority.is_finite() {
            return Err(PlanError::NoPriority {
                pipeline: self.pipeline.to_string(),
                factory: factory.to_owned(),
            });
        }
        let factory = self.edit(index);
        (factory.priority, factory.preferred) = (Some(priority), true);
        Ok(())
    }

    /// Lets the factory `after` start only after `before` has ended, although it takes nothing from it.
    ///
    /// ```
    /// use setl::optimize::plan::{PassDecision, PipelinePlan, PlanPass};
    /// use setl::prelude::*;
    ///
    /// struct OneByOne;
    ///
    /// impl PlanPass for OneByOne {
    ///     fn name(&self) -> &str {
    ///         "one-by-one"
    ///     }
    ///
    ///     fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
    ///         plan.order("small", "large")?;
    ///         Ok(vec![PassDecision::new(["small", "large"], "one after the other, since both need much memory")])
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// When there is no such factory, or factories would wait for each other in a cycle.
    pub fn order(&mut self, before: &str, after: &str) -> Result<(), PlanError> {
        let (from, to) = (self.nodes[self.find(before)?], self.nodes[self.find(after)?]);
        if let Some(path) = self.path(to, from) {
            let mut cycle: Vec<String> = path.into_iter().rev().map(|node| self.label(node)).collect();
            cycle.push(before.to_owned());
            let (pipeline, before, after) = (self.pipeline.to_string(), before.to_owned(), after.to_owned());
            return Err(PlanError::Cycle { pipeline, before, after, cycle });
        }
        self.graph.add_edge(from, to, PlanEdge::Order);
        self.revision += 1;
        Ok(())
    }

    fn find(&self, factory: &str) -> Result<usize, PlanError> {
        let found = self.factory(factory).map(|factory| factory.index);
        found.ok_or_else(|| PlanError::UnknownFactory {
            pipeline: self.pipeline.to_string(),
            factory: factory.to_owned(),
            near: did_you_mean(factory, self.names().into_iter()),
        })
    }

    fn names(&self) -> Vec<&str> {
        self.factories().map(|factory| &*factory.name).collect()
    }

    fn label(&self, node: NodeIndex) -> String {
        match &self.graph[node] {
            PlanNode::Barrier { stage } => format!("the barrier of stage `{}`", self.stages[*stage].name),
            _ => self.name(node).to_owned(),
        }
    }

    /// A shortest path from one node to another, including both.
    fn path(&self, from: NodeIndex, to: NodeIndex) -> Option<Vec<NodeIndex>> {
        let mut came = HashMap::from([(from, from)]);
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                let mut path = vec![to];
                let mut at = to;
                while at != from {
                    at = came[&at];
                    path.push(at);
                }
                path.reverse();
                return Some(path);
            }
            for next in self.graph.neighbors(node) {
                if let std::collections::hash_map::Entry::Vacant(entry) = came.entry(next) {
                    entry.insert(node);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// The factory, for a change.
    pub(super) fn edit(&mut self, factory: usize) -> &mut PlannedFactory {
        self.revision += 1;
        match &mut self.graph[self.nodes[factory]] {
            PlanNode::Factory(factory) => factory,
            other => unreachable!("{other:?} is no factory"),
        }
    }

    pub(super) fn leave_out(&mut self, factory: usize) {
        self.edit(factory).fate = Fate::LeftOut;
    }

    /// Uses the output of the factory `into`, which comes before it, as the output of `factory`. The factory then has no other
    /// deliveries.
    pub(super) fn merge(&mut self, factory: usize, into: usize) {
        let name = self.of_index(into).name.clone();
        self.edit(factory).fate = Fate::MergedInto(name);
        let (node, into) = (self.nodes[factory], self.nodes[into]);
        loop {
            let mut taken = self.graph.edges_directed(node, Direction::Incoming);
            let Some(edge) = taken.find(|edge| matches!(edge.weight(), PlanEdge::Delivery { .. })) else {
                break;
            };
            let edge = edge.id();
            self.graph.remove_edge(edge);
        }
        self.graph.add_edge(into, node, PlanEdge::Same);
    }
}
