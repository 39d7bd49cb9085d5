//! Recommends changes that make a run shorter by more parallel work.

use super::past::Past;
use super::{Kind, Recommendation};
use crate::model::seconds;
use crate::simulate::{Graph, critical_path};

/// The minimum share of the critical path from which on a split is recommended.
const SPLIT: f64 = 0.6;

/// The minimum speed-up from one more worker.
const ENOUGH: f64 = 1.02;

pub(super) fn recommend(past: &Past<'_>, all: &mut Vec<Recommendation>) {
    let Some(graph) = &past.graph else { return };
    all.extend(split(past, graph));
    all.extend(concurrency(past, graph));
}

fn split(past: &Past<'_>, graph: &Graph) -> Option<Recommendation> {
    let path = critical_path(graph, &past.seconds);
    let total: f64 = path.iter().map(|&node| past.seconds[node]).sum();
    let node = path.into_iter().find(|&node| past.seconds[node] >= SPLIT * total)?;
    let (own, runs) = past.median(node)?;
    // Both halves become nodes, with the same upstream and downstream nodes.
    let half = graph.factories();
    let last = past.last();
    let shifted = |at: usize| if at >= half { at + 1 } else { at };
    let mut links: Vec<_> = last.links.iter().map(|&(from, to)| (shifted(from), shifted(to))).collect();
    for (from, to) in links.clone() {
        if from == node {
            links.push((half, to));
        } else if to == node {
            links.push((from, half));
        }
    }
    let mut of_halves = past.seconds.clone();
    of_halves[node] /= 2.0;
    of_halves.push(of_halves[node]);
    let halves = Graph::of_record(half + 1, &links)?;
    let gain = Past::simulated(graph, &past.seconds, last.workers)
        - Past::simulated(&halves, &of_halves, last.workers);
    let name = past.name(node);
    past.is_worth(gain).then(|| Recommendation {
        kind: Kind::Split,
        subjects: vec![name.to_owned()],
        advice: format!("split `{name}` into parts that run at once"),
        evidence: format!(
            "it is {:.0} % of the critical path, {} of {} (median of {runs} runs)",
            100.0 * own / total,
            seconds(own),
            seconds(total)
        ),
        seconds: Some(gain),
        bytes: None,
    })
}

fn concurrency(past: &Past<'_>, graph: &Graph) -> Option<Recommendation> {
    let last = past.last();
    let (workers, cores) = (last.workers, last.cores?);
    // Measurements with another number of workers do not apply to this one.
    if cores <= workers || past.runs.iter().any(|run| run.workers != workers) {
        return None;
    }
    let on = |workers| Past::simulated(graph, &past.seconds, workers);
    let (now, best) = (on(workers), on(cores));
    let enough = (workers + 1..=cores).find(|&workers| on(workers) <= ENOUGH * best)?;
    let gain = now - on(enough);
    past.is_worth(gain).then(|| Recommendation {
        kind: Kind::Concurrency,
        subjects: Vec::new(),
        advice: format!("let {enough} factories run at once (`concurrency`, or threads of the runtime)"),
        evidence: format!(
            "{workers} can, of {cores} cores {} are idle, and with {enough} the same times make {} of {} (medians of {} runs)",
            cores - workers,
            seconds(on(enough)),
            seconds(now),
            past.runs.len()
        ),
        seconds: Some(gain),
        bytes: None,
    })
}
