//! The plan of a pipeline as a graph of its factories, for predictions.

use setl_learn::FactoryGraph;
use setl_learn::simulate::{Graph, Links};

use crate::plan::{Plan, Source};

impl From<&Plan> for Graph {
    fn from(plan: &Plan) -> Self {
        let sources = plan.factories.iter().map(|node| {
            let sources = node.all_sources().filter_map(|source| match source {
                Source::Factory(index) => Some(index as u32),
                Source::Input(_) | Source::Context => None,
            });
            sources.collect()
        });
        let links = Links {
            offsets: plan.offsets.clone(),
            successors: plan.successors.clone(),
            waits: plan.waits.clone(),
            order: plan.order.clone(),
        };
        Self::of_links(links, sources.collect(), plan.factories.iter().map(|node| node.kept).collect())
    }
}

impl From<&Plan> for FactoryGraph {
    fn from(plan: &Plan) -> Self {
        let names = plan.factories.iter().map(|node| node.name.to_string()).collect();
        Self { names, graph: plan.into() }
    }
}
