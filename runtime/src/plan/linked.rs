//! Computes the order of factories at run time: for pipelines that are built at run time, and for rewritten plans.

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use petgraph::visit::EdgeRef;

use super::order::for_each_link;
use super::{Source, Sources, Stage};

/// The links of a plan and an order of its nodes, as in [`Plan`](super::Plan).
pub(crate) struct Linked {
    pub(crate) offsets: Vec<u32>,
    pub(crate) successors: Vec<u32>,
    pub(crate) waits: Vec<u32>,
    pub(crate) order: Vec<u32>,
    pub(crate) levels: Vec<u32>,
}

impl Linked {
    /// Links factories whose sources are `from`, and the gates after `stages`. In each pair of `more`, the second factory waits
    /// for the first, too.
    ///
    /// # Errors
    /// If the nodes wait for each other in a cycle; the error is the graph.
    pub(crate) fn of(
        from: &[Sources<'_>],
        stages: &[Stage],
        more: &[(usize, usize)],
    ) -> Result<Self, DiGraph<usize, ()>> {
        let mut graph = DiGraph::<usize, ()>::new();
        let gates = stages.iter().filter(|stage| stage.barrier).count();
        let nodes: Vec<_> = (0..from.len() + gates).map(|node| graph.add_node(node)).collect();
        for_each_link!(from, stages, |before, after| {
            graph.add_edge(nodes[before], nodes[after], ());
        });
        for &(before, after) in more {
            graph.add_edge(nodes[before], nodes[after], ());
        }
        let Ok(order) = toposort(&graph, None) else { return Err(graph) };
        let order: Vec<u32> = order.into_iter().map(|node| graph[node] as u32).collect();
        let mut levels = vec![0u32; nodes.len()];
        let mut waits = vec![0u32; nodes.len()];
        for &node in &order {
            for edge in graph.edges(nodes[node as usize]) {
                let after = graph[edge.target()];
                levels[after] = levels[after].max(levels[node as usize] + 1);
                waits[after] += 1;
            }
        }
        let mut offsets = vec![0u32];
        let mut successors = Vec::new();
        for &node in &nodes {
            successors.extend(graph.neighbors(node).map(|after| graph[after] as u32));
            offsets.push(successors.len() as u32);
        }
        Ok(Self { offsets, successors, waits, order, levels })
    }
}
