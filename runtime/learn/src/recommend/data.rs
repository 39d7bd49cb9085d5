//! Recommends changes that make runs read, hold or compute less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::past::{Past, median};
use super::{FEWEST, Kind, Recommendation};
use crate::history::ReadRecord;
use crate::model::{bytes, seconds};

/// The approximate seconds to read a byte of a text file, and a byte of the same values in Parquet, as the optimiser assumes them
/// when it decides about sharing (20 times 1.5 ns for a value of ten letters; 5 ns for one in Parquet).
const OF_TEXT: f64 = 3e-9;
const OF_PARQUET: f64 = 5e-10;

/// The minimum size of a large output, in bytes.
const LARGE: u64 = 16 << 20;

pub(super) fn recommend(past: &Past<'_>, all: &mut Vec<Recommendation>) {
    formats(past, all);
    columns(past, all);
    same(past, all);
}

/// Recommends another format for text files that are read in run after run.
fn formats(past: &Past<'_>, all: &mut Vec<Recommendation>) {
    let mut files: BTreeMap<&str, Vec<(usize, &ReadRecord)>> = BTreeMap::new();
    for (at, run) in past.runs.iter().enumerate() {
        for read in run.reads.iter().filter(|read| matches!(&*read.format, "CSV" | "NDJSON")) {
            files.entry(read.path.as_deref().unwrap_or_default()).or_default().push((at, read));
        }
    }
    for (path, reads) in files {
        let runs: BTreeSet<usize> = reads.iter().map(|(at, _)| *at).collect();
        let last = past.runs.len() - 1;
        if runs.len() < FEWEST || !runs.contains(&last) {
            continue;
        }
        let Some(size) = median(reads.iter().map(|(_, read)| read.bytes as f64).collect()) else { continue };
        let of_last: Vec<_> = reads.iter().filter(|(at, _)| *at == last).map(|(_, read)| *read).collect();
        let columns = of_last.iter().map(|read| read.columns).max().unwrap_or(1).max(1);
        let used = of_last.iter().map(|read| read.columns_read).sum::<usize>().min(columns);
        let estimated = size * (OF_TEXT - OF_PARQUET * used as f64 / columns as f64);
        // The gain is limited by the time of the factories that wait for the file.
        let takers: BTreeSet<&String> = of_last.iter().flat_map(|read| &read.factories).collect();
        let longest = takers.iter().filter_map(|name| past.median(past.node(name)?)).map(|(time, _)| time);
        let gain = estimated.min(longest.fold(0.0, f64::max));
        if !past.is_worth(gain) {
            continue;
        }
        let started = |at: &usize| past.runs[*at].started;
        let span =
            runs.last().zip(runs.first()).and_then(|(b, a)| started(b).duration_since(started(a)).ok());
        let days = span.map_or(0.0, |span| span.as_secs_f64() / 86_400.0);
        // The time from the first run to the last has one interval less than there are runs.
        let often = match days >= 1.0 {
            true => format!("{:.1} runs a day", (runs.len() - 1) as f64 / days),
            false => "run after run".to_owned(),
        };
        let name = Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy());
        let format = &of_last[0].format;
        all.push(Recommendation {
            kind: Kind::Format,
            subjects: vec![path.to_owned()],
            advice: format!("keep `{name}` as Parquet"),
            evidence: format!(
                "{format} of {}, {used} of {columns} columns used, is read in {often} ({} runs), which takes about {} \
                 each time, by its size",
                bytes(size),
                runs.len(),
                seconds(size * OF_TEXT),
            ),
            seconds: Some(gain),
            bytes: None,
        });
    }
}

/// Recommends fewer columns for outputs of which few columns are used.
fn columns(past: &Past<'_>, all: &mut Vec<Recommendation>) {
    for (node, record) in past.last().factories.iter().enumerate() {
        let factory = &record.factory;
        // All factories that take the output, with or without a query.
        let takers = past.last().links.iter().filter(|(from, to)| *from == node && *to < past.seconds.len());
        let takers: BTreeSet<&str> = takers.map(|(_, to)| past.name(*to)).collect();
        let mut found = Vec::new();
        for run in &past.runs {
            let reads: Vec<_> = run
                .reads
                .iter()
                .filter(|read| read.from.as_ref() == Some(factory) && read.bytes >= LARGE)
                .collect();
            let by: BTreeSet<&str> =
                reads.iter().flat_map(|read| &read.factories).map(|name| &**name).collect();
            let columns = reads.iter().map(|read| read.columns).max().unwrap_or(0);
            // This is the maximum: it holds if no two of them use the same columns.
            let used: usize = reads.iter().map(|read| read.columns_read).sum();
            let size = reads.iter().map(|read| read.bytes).max().unwrap_or(0);
            // A factory that takes the output without a query may use all of it.
            if !reads.is_empty() && by == takers && 2 * used <= columns {
                found.push((used, columns, size));
            }
        }
        let Some(&(used, columns, size)) = found.last() else { continue };
        if found.len() < FEWEST || past.last().reads.iter().all(|read| read.from.as_ref() != Some(factory)) {
            continue;
        }
        all.push(Recommendation {
            kind: Kind::Columns,
            subjects: vec![factory.clone()],
            advice: format!("deliver only those columns of `{factory}` that are used, or a `LazyFrame`"),
            evidence: format!(
                "it holds {columns} columns in {}, and queries of {} use {used} of them ({} runs)",
                bytes(size as f64),
                takers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                found.len()
            ),
            seconds: None,
            bytes: Some((size as f64 * (1.0 - used as f64 / columns.max(1) as f64)) as u64),
        });
    }
}

/// Recommends one factory in place of several whose whole query is the same.
fn same(past: &Past<'_>, all: &mut Vec<Recommendation>) {
    let mut groups: BTreeMap<&[String], Vec<f64>> = BTreeMap::new();
    for run in &past.runs {
        for part in run.subplans.iter().filter(|part| part.whole_of.len() > 1) {
            groups.entry(&part.whole_of).or_default().push(part.wall.as_secs_f64());
        }
    }
    for (factories, times) in groups {
        let (runs, still) = (times.len(), past.last().subplans.iter().any(|part| part.whole_of == factories));
        let Some(time) = median(times).filter(|_| runs >= FEWEST && still) else { continue };
        let names: Vec<_> = factories.iter().map(|name| format!("`{name}`")).collect();
        let (first, others) = (&names[0], names[1..].join(", "));
        all.push(Recommendation {
            kind: Kind::Same,
            subjects: factories.to_vec(),
            advice: format!("let {first} deliver to those who take {others}, and leave out the rest"),
            evidence: format!(
                "{} compute the same in {runs} runs; the optimiser computes it once, in {} (median), which each would take \
                 without it",
                names.join(" and "),
                seconds(time)
            ),
            seconds: None,
            bytes: None,
        });
    }
}
