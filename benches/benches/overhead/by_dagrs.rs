//! dagrs: one `Action`, a node for each number, edges by `add_edge`, as in its own benches.
//!
//! The untyped `Action` is used, since the typed one copies the channels of a node for each run. A graph is built for
//! each run, since a second run would need its `reset`.

use std::sync::Arc;

use dagrs::{
    Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeId, NodeTable, OutChannels, Output,
};
use setl_benches::shape::Shape;

use crate::measure::Contender;

struct Add {
    number: u64,
    takes: bool,
    delivers: bool,
}

#[dagrs::async_trait::async_trait]
impl Action for Add {
    async fn run(&self, inputs: &mut InChannels, outputs: &mut OutChannels, _env: Arc<EnvVar>) -> Output {
        let mut sum = self.number;
        if self.takes {
            let value = |content: dagrs::DagrsResult<Content>| {
                let content = content.expect("every producer sends");
                *content.get::<u64>().expect("it sends a number")
            };
            sum = inputs.map(value).await.into_iter().fold(sum, u64::wrapping_add);
        }
        let content = Content::new(sum);
        if self.delivers {
            outputs.broadcast(content.clone()).await;
        }
        Output::Out(Some(content))
    }
}

pub fn contender(shape: &Shape) -> Contender {
    let (graph, sinks) = (shape.takes.clone(), shape.sinks());
    let mut successors = vec![Vec::new(); graph.len()];
    for (node, takes) in graph.iter().enumerate() {
        for &from in takes {
            successors[from].push(node);
        }
    }
    Contender::new(
        shape,
        move || build(&graph, &successors),
        async |(mut graph, ids): (Graph, Vec<NodeId>)| {
            graph.async_start().await.expect("no node fails");
            (graph, ids)
        },
        move |(graph, ids)| {
            let results = graph.get_results::<u64>();
            let output = |&node: &usize| **results[&ids[node]].as_ref().expect("every output is kept");
            sinks.iter().map(output).fold(0, u64::wrapping_add)
        },
    )
}

fn build(takes: &[Vec<usize>], successors: &[Vec<usize>]) -> (Graph, Vec<NodeId>) {
    let mut table = NodeTable::new();
    let mut graph = Graph::new();
    let mut ids = Vec::with_capacity(takes.len());
    for node in 0..takes.len() {
        let action = Add {
            number: node as u64,
            takes: !takes[node].is_empty(),
            delivers: !successors[node].is_empty(),
        };
        let node = DefaultNode::with_action(format!("node_{node}"), action, &mut table);
        ids.push(node.id());
        graph.add_node(node).expect("every node is new");
    }
    for (node, successors) in successors.iter().enumerate().filter(|(_, successors)| !successors.is_empty()) {
        let to: Vec<_> = successors.iter().map(|&after| ids[after]).collect();
        graph.add_edge(ids[node], to).expect("all its ends are there");
    }
    graph.set_env(EnvVar::new(table));
    (graph, ids)
}
