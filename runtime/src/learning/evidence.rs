//! The data that a run adds to the history besides its times: links, choices, reads, and cache lookups.

use super::LearningState;
use crate::optimize::{LookupRecord, RunRecord};
use crate::run::report::Report;
use crate::run::shared::Shared;

impl LearningState {
    pub(super) fn add_evidence(&self, run: &mut RunRecord, shared: &Shared, report: &Report) {
        let plan = &shared.plan;
        run.cores = std::thread::available_parallelism().ok().map(usize::from);
        let successors =
            |node: usize| &plan.successors[plan.offsets[node] as usize..plan.offsets[node + 1] as usize];
        let links = (0..plan.waits.len())
            .flat_map(|node| successors(node).iter().map(move |next| (node, *next as usize)));
        run.links = links.collect();
        let predicted = self.prediction.iter().flat_map(|prediction| &prediction.factories);
        for (record, predicted) in run.factories.iter_mut().zip(predicted) {
            record.predicted = predicted.in_query_of.is_none().then(|| predicted.wall.interval());
        }
        run.lookups = report
            .cache()
            .iter()
            .filter(|cache| cache.hits + cache.misses > 0)
            .map(|cache| LookupRecord {
                factory: cache.factory.clone(),
                hit: cache.hits > 0,
                because: cache.because.clone(),
            })
            .collect();
        run.choices = self.advisor.made();
        run.reads = report.queries().iter().flat_map(|queries| queries.reads.iter().cloned()).collect();
        for read in run.reads.iter_mut().filter(|read| read.path.is_none()) {
            read.from = read.factories.first().and_then(|factory| only_source(shared, factory));
        }
    }
}

/// The factory that delivered the data that `factory` reads, if it takes the output of only one factory.
fn only_source(shared: &Shared, factory: &str) -> Option<String> {
    let factories = &shared.plan.factories;
    let node = factories.iter().find(|node| node.name == factory)?;
    let mut sources = node.all_sources().filter_map(|source| match source {
        crate::plan::Source::Factory(index) => Some(factories[index].name.to_string()),
        _ => None,
    });
    let first = sources.next()?;
    sources.next().is_none().then_some(first)
}
