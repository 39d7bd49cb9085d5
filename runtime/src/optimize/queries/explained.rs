//! The decisions about queries that were run together, with the results.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::Asker;
use super::execute::Measured;
use super::share::{Piece, Shared};
use super::tree::{self, Keys};
use setl_learn::history::ReadRecord;

/// Queries that were run together: their shared parts, and the reasons.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained {
    /// The factories that waited for the queries, once for each query.
    pub factories: Vec<String>,
    /// The parts that were computed once.
    pub shared: Vec<SharedPart>,
    /// The parts that were not shared, each with the reason.
    pub left: Vec<(String, String)>,
    /// The time of each query, without the parts that it shared with others.
    pub queries: Vec<Duration>,
    /// The engine that ran each query.
    pub engines: Vec<&'static str>,
    /// The reason for each engine, as in `since it took 12 ms in 4 runs, and in memory 31 ms in 4 runs`. Empty if nothing is
    /// learned, or if the other engine must not be taken.
    pub because: Vec<String>,
    /// The files and frames that each query reads. Empty if nothing is learned.
    pub reads: Vec<ReadRecord>,
    /// The time from the start of the first query to the end of the last.
    pub wall: Duration,
}

/// A part of several queries that was computed once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SharedPart {
    /// A description: the factory that made the part and the files that it reads, as in ``output of `late_orders`, from
    /// orders.parquet``, or else the operation, as in `join on o_orderkey of orders.parquet, lineitem.parquet`.
    pub about: String,
    /// The fingerprint: the same for the same plan, in all runs.
    pub fingerprint: String,
    /// The columns that are read.
    pub columns: Vec<String>,
    /// The factories whose queries share the part.
    pub factories: Vec<String>,
    /// The reason why it was computed once.
    pub because: String,
    /// The time to compute it.
    pub wall: Duration,
    /// The number of rows.
    pub rows: usize,
    /// The size in memory, in bytes.
    pub bytes: usize,
    /// The factories whose whole query is this part.
    pub whole_of: Vec<String>,
    /// The engine that computed it.
    pub engine: &'static str,
    /// The reason for the engine, as for a query.
    pub engine_because: String,
}

impl Explained {
    pub(super) fn new(factories: Vec<String>) -> Self {
        Self {
            factories,
            shared: Vec::new(),
            left: Vec::new(),
            queries: Vec::new(),
            engines: Vec::new(),
            because: Vec::new(),
            reads: Vec::new(),
            wall: Duration::ZERO,
        }
    }

    /// Adds the costs of the queries.
    pub(super) fn measured(&mut self, queries: Vec<Measured>) {
        self.queries = queries.iter().map(|cost| cost.wall).collect();
        self.engines = queries.iter().map(|cost| cost.engine).collect();
        self.because = queries.into_iter().map(|cost| cost.because).collect();
    }

    pub(super) fn shared(
        &mut self,
        shared: &Shared,
        pieces: Vec<Measured>,
        queries: Vec<Measured>,
        asker: &dyn Asker,
    ) {
        self.left.clone_from(&shared.left);
        self.measured(queries);
        for (piece, cost) in shared.pieces.iter().zip(pieces) {
            let whole_of = self.factories.iter().zip(&shared.plans);
            let whole_of = whole_of.filter(|(_, plan)| Keys::default().of(plan) == piece.stands);
            let mut whole_of: Vec<String> = whole_of.map(|(factory, _)| factory.clone()).collect();
            whole_of.sort();
            whole_of.dedup();
            self.shared.push(SharedPart {
                about: about(piece, asker),
                fingerprint: tree::shown(&piece.fingerprint),
                columns: piece.columns.clone(),
                factories: takers(shared, &self.factories, piece),
                whole_of,
                because: piece.because.clone(),
                wall: cost.wall,
                rows: cost.rows,
                bytes: cost.bytes,
                engine: cost.engine,
                engine_because: cost.because,
            });
        }
    }
}

/// Describes a part: by the factory that made it, if it is known, and by the files that it reads.
fn about(piece: &Piece, asker: &dyn Asker) -> String {
    let Some((factory, is_whole)) = asker.origin(&piece.fingerprint) else { return piece.about.clone() };
    if piece.is_scan {
        return format!("{} of `{factory}`", piece.about);
    }
    let files = match &piece.files[..] {
        [] => String::new(),
        files => format!(", from {}", files.join(", ")),
    };
    let part = if is_whole { "output" } else { "part" };
    format!("{part} of `{factory}`{files}")
}

/// The factories for which a piece is computed.
pub(super) fn takers(shared: &Shared, factories: &[String], piece: &Piece) -> Vec<String> {
    let mut takers = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut todo: Vec<usize> = piece.consumers.iter().copied().collect();
    // A piece that a shared part reads is computed for all consumers of that part.
    while let Some(consumer) = todo.pop() {
        if !seen.insert(consumer) {
            continue;
        }
        match consumer.checked_sub(factories.len()) {
            None => _ = takers.insert(&factories[consumer]),
            Some(other) => todo.extend(&shared.pieces[other].consumers),
        }
    }
    takers.into_iter().cloned().collect()
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut factories = self.factories.clone();
        factories.dedup();
        match &factories[..] {
            [factory] => writeln!(f, "a query of `{factory}`, by itself")?,
            _ => writeln!(f, "{} queries together: {}", self.factories.len(), factories.join(", "))?,
        }
        for (at, part) in self.shared.iter().enumerate() {
            writeln!(f, "  part {}, computed once: {}", at + 1, part.about)?;
            writeln!(f, "    because {}", part.because)?;
            writeln!(f, "    for {}", part.factories.join(", "))?;
            write!(
                f,
                "    {} rows, {:.1} MiB, {:.1} ms",
                part.rows,
                part.bytes as f64 / f64::from(1 << 20),
                1e3 * part.wall.as_secs_f64(),
            )?;
            if !part.engine_because.is_empty() {
                write!(f, ", {}, {}", part.engine, part.engine_because)?;
            }
            writeln!(f)?;
        }
        for (about, why) in &self.left {
            writeln!(f, "  left to each: {about}, since {why}")?;
        }
        let engines = self.engines.iter().zip(&self.because);
        for ((factory, wall), (engine, because)) in self.factories.iter().zip(&self.queries).zip(engines) {
            write!(f, "  {factory}: {:.1} ms, {engine}", 1e3 * wall.as_secs_f64())?;
            if !because.is_empty() {
                write!(f, ", {because}")?;
            }
            let parts = self.shared.iter().enumerate().filter(|(_, part)| part.factories.contains(factory));
            let parts: Vec<_> = parts.map(|(at, _)| format!("part {}", at + 1)).collect();
            if !parts.is_empty() {
                write!(f, "; takes {}", parts.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
