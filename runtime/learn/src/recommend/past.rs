//! The runs on which a recommendation rests.

use super::{FEWEST, LAST, WORTH, WORTH_SECONDS};
use crate::history::{FactoryRecord, RunRecord};
use crate::simulate::{Costs, Graph, simulate, upward_rank};

/// The last runs of the present plan, the oldest first.
pub(super) struct Past<'runs> {
    pub(super) runs: Vec<&'runs RunRecord>,
    /// `None` if the dependencies are unknown.
    pub(super) graph: Option<Graph>,
    /// The median time of each factory that ran often enough; zero for the others.
    pub(super) seconds: Vec<f64>,
    pub(super) makespan: f64,
}

impl<'runs> Past<'runs> {
    pub(super) fn of(runs: &'runs [RunRecord]) -> Option<Self> {
        let last = runs.iter().rev().find(|run| run.succeeded)?;
        let same = |run: &&RunRecord| {
            let names = run.factories.iter().map(|factory| &factory.factory);
            run.succeeded
                && run.links == last.links
                && names.eq(last.factories.iter().map(|factory| &factory.factory))
        };
        let mut runs: Vec<_> = runs.iter().rev().filter(same).take(LAST).collect();
        runs.reverse();
        if runs.len() < FEWEST {
            return None;
        }
        let graph = last.cores.and_then(|_| Graph::of_record(last.factories.len(), &last.links));
        let mut past = Self { runs, graph, seconds: Vec::new(), makespan: 0.0 };
        let median_of = |node| past.median(node).map_or(0.0, |(seconds, _)| seconds);
        past.seconds = (0..last.factories.len()).map(median_of).collect();
        past.makespan =
            median(past.runs.iter().map(|run| run.makespan.as_secs_f64()).collect()).unwrap_or(0.0);
        Some(past)
    }

    pub(super) fn last(&self) -> &'runs RunRecord {
        // There are at least `FEWEST` runs.
        self.runs[self.runs.len() - 1]
    }

    pub(super) fn name(&self, node: usize) -> &'runs str {
        &self.last().factories[node].factory
    }

    pub(super) fn node(&self, factory: &str) -> Option<usize> {
        self.last().factories.iter().position(|record| record.factory == factory)
    }

    /// The records of a factory with its present code, from the runs in which it ran.
    pub(super) fn records(&self, node: usize) -> Vec<(&'runs RunRecord, &'runs FactoryRecord)> {
        let code = &self.last().factories[node].code;
        let records = self.runs.iter().map(|run| (*run, &run.factories[node]));
        records.filter(|(_, record)| record.has_succeeded() && record.code == *code).collect()
    }

    /// The median time of a factory, with the number of runs.
    pub(super) fn median(&self, node: usize) -> Option<(f64, usize)> {
        let records = self.records(node);
        let own = records.iter().filter(|(_, record)| record.in_query_of.is_none());
        let times: Vec<f64> = own.map(|(_, record)| record.own().as_secs_f64()).collect();
        let runs = times.len();
        (runs >= FEWEST).then_some((median(times)?, runs))
    }

    /// The makespan of the plan with these times on `workers` workers.
    pub(super) fn simulated(graph: &Graph, seconds: &[f64], workers: usize) -> f64 {
        let priorities = upward_rank(graph, seconds);
        simulate(graph, workers, Costs { seconds, priorities: &priorities, bytes: &[] }).makespan
    }

    /// `true` if a gain of time is large enough to be reported.
    pub(super) fn is_worth(&self, gain: f64) -> bool {
        gain >= WORTH_SECONDS && gain >= WORTH * self.makespan
    }
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}
