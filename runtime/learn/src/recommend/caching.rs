//! Recommends outputs to cache, and caches to remove.

use std::collections::BTreeSet;

use super::past::Past;
use super::{CachedOutput, FEWEST, Kind, Recommendation};
use crate::history::{FactoryRecord, ReadRecord, RunRecord};
use crate::model::{bytes, seconds};

/// The minimum share of the runs in which a factory computed the same as in the run before.
const STEADY: f64 = 0.8;

/// The minimum time in seconds that makes a cache worthwhile.
const SLOW: f64 = 1.0;

pub(super) fn recommend(past: &Past<'_>, cache: &[CachedOutput], all: &mut Vec<Recommendation>) {
    for node in 0..past.last().factories.len() {
        all.extend(never_hits(past, node, cache));
        all.extend(worth_caching(past, node));
    }
}

fn never_hits(past: &Past<'_>, node: usize, cache: &[CachedOutput]) -> Option<Recommendation> {
    let name = past.name(node);
    let of_factory = |run: &&RunRecord| run.lookups.iter().any(|lookup| lookup.factory == name);
    if !past.runs.last().is_some_and(of_factory) {
        return None;
    }
    let lookups = past.runs.iter().flat_map(|run| &run.lookups).filter(|lookup| lookup.factory == name);
    let lookups: Vec<_> = lookups.collect();
    if lookups.len() < FEWEST || lookups.iter().any(|lookup| lookup.hit) {
        return None;
    }
    let because = lookups.iter().rev().find_map(|lookup| lookup.because.as_ref());
    let because = because.map(|because| format!(", the last time because {because}")).unwrap_or_default();
    let kept = cache.iter().filter(|entry| entry.factory == name && entry.pipeline == past.last().pipeline);
    let (entries, size) = kept.fold((0, 0), |(entries, size), entry| (entries + 1, size + entry.bytes));
    let kept = match entries {
        0 => String::new(),
        _ => format!("; it keeps {entries} entries of {} in all", bytes(size as f64)),
    };
    Some(Recommendation {
        kind: Kind::CacheNeverHits,
        subjects: vec![name.to_owned()],
        advice: format!(
            "leave out the cache of `{name}`, or see to it that what it depends on stays the same"
        ),
        evidence: format!("in {} runs nothing could be taken{because}{kept}", lookups.len()),
        seconds: None,
        bytes: (size > 0).then_some(size),
    })
}

fn worth_caching(past: &Past<'_>, node: usize) -> Option<Recommendation> {
    let name = past.name(node);
    let (time, _) = past.median(node).filter(|(time, _)| *time >= SLOW)?;
    // A factory with cache lookups is already cached.
    if past.runs.iter().any(|run| run.lookups.iter().any(|lookup| lookup.factory == name)) {
        return None;
    }
    let records = past.records(node);
    let pairs = records.windows(2).filter(|pair| {
        let [before, now] = [pair[0], pair[1]];
        is_steady(past, node, before, now)
    });
    let (steady, compared) = (pairs.count(), records.len().saturating_sub(1));
    if compared + 1 < FEWEST || (steady as f64) < STEADY * compared as f64 {
        return None;
    }
    let graph = past.graph.as_ref()?;
    let mut without = past.seconds.clone();
    without[node] = 0.0;
    let workers = past.last().workers;
    let shorter = Past::simulated(graph, &past.seconds, workers) - Past::simulated(graph, &without, workers);
    let gain = shorter * steady as f64 / compared as f64;
    past.is_worth(gain).then(|| Recommendation {
        kind: Kind::Cache,
        subjects: vec![name.to_owned()],
        advice: format!("keep what `{name}` delivers across runs (`#[factory(cache)]`)"),
        evidence: format!(
            "it takes {} (median), and in {steady} of {compared} runs its code, the files that it reads and its rows were \
             those of the run before; it pays if the inputs of the pipeline are the same, too",
            seconds(time)
        ),
        seconds: Some(gain),
        bytes: None,
    })
}

/// `true` if a factory did the same in two runs, as far as the history shows. The history does not record inputs other than
/// files.
fn is_steady(
    past: &Past<'_>,
    node: usize,
    (before, old): (&RunRecord, &FactoryRecord),
    (now, new): (&RunRecord, &FactoryRecord),
) -> bool {
    let name = past.name(node);
    let (then, reads) = (files(before, name), files(now, name));
    let all_above = above(now, node).into_iter();
    let same_code = |at: usize| before.factories[at].code == now.factories[at].code;
    reads.is_some_and(|reads| !reads.is_empty() && then.is_some_and(|then| then == reads))
        && old.rows_out.is_some()
        && old.rows_out == new.rows_out
        && all_above.into_iter().all(same_code)
}

type File<'run> = (&'run str, u64, Option<std::time::SystemTime>);

/// The files that a factory reads. `None` if it also reads something else.
fn files<'run>(run: &'run RunRecord, factory: &str) -> Option<BTreeSet<File<'run>>> {
    let own = run.reads.iter().filter(|read| read.factories.iter().any(|name| name == factory));
    let file = |read: &'run ReadRecord| Some((read.path.as_deref()?, read.bytes, read.modified));
    own.map(file).collect()
}

fn above(run: &RunRecord, node: usize) -> BTreeSet<usize> {
    let mut above = BTreeSet::new();
    let mut todo = vec![node];
    while let Some(at) = todo.pop() {
        todo.extend(
            run.links.iter().filter(|(from, to)| *to == at && above.insert(*from)).map(|(from, _)| *from),
        );
    }
    // Gates have no code.
    above.retain(|at| *at < run.factories.len());
    above
}
