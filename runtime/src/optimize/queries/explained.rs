//! What was decided about queries that were run together, and what came of it.

use std::fmt;
use std::time::Duration;

use super::execute::Measured;
use super::share::Shared;

/// Queries that were run together: what they shared, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained {
    /// The factories that waited for them, once for each query.
    pub factories: Vec<String>,
    /// What was computed once.
    pub shared: Vec<SharedPart>,
    /// What was left as it is, and why.
    pub left: Vec<(String, String)>,
    /// How long each query took, without what it shared with others.
    pub queries: Vec<Duration>,
    /// The engine that ran each query.
    pub engines: Vec<&'static str>,
    /// From the start of the first to the end of the last.
    pub wall: Duration,
}

/// A part of several queries that was computed once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SharedPart {
    /// What it is, as in `join on o_orderkey of orders.parquet, lineitem.parquet`.
    pub about: String,
    /// The same for the same plan, in all runs.
    pub fingerprint: String,
    /// The columns that are read of it.
    pub columns: Vec<String>,
    /// The factories whose queries share it.
    pub factories: Vec<String>,
    /// Why it was computed once.
    pub because: String,
    /// How long that took.
    pub wall: Duration,
    /// Its rows.
    pub rows: usize,
    /// Its size in memory.
    pub bytes: usize,
}

impl Explained {
    pub(super) fn new(factories: Vec<String>) -> Self {
        Self {
            factories,
            shared: Vec::new(),
            left: Vec::new(),
            queries: Vec::new(),
            engines: Vec::new(),
            wall: Duration::ZERO,
        }
    }

    pub(super) fn shared(&mut self, shared: &Shared, pieces: Vec<Measured>, queries: Vec<Measured>) {
        self.left.clone_from(&shared.left);
        self.queries = queries.iter().map(|cost| cost.wall).collect();
        self.engines = queries.iter().map(|cost| cost.engine).collect();
        for (piece, cost) in shared.pieces.iter().zip(pieces) {
            let mut factories: Vec<String> = Vec::new();
            let mut todo: Vec<usize> = piece.consumers.iter().copied().collect();
            // What a shared part takes is taken by those who share that.
            while let Some(consumer) = todo.pop() {
                match consumer.checked_sub(self.factories.len()) {
                    None if !factories.contains(&self.factories[consumer]) => {
                        factories.push(self.factories[consumer].clone());
                    }
                    None => {}
                    Some(other) => todo.extend(&shared.pieces[other].consumers),
                }
            }
            factories.sort();
            self.shared.push(SharedPart {
                about: piece.about.clone(),
                fingerprint: piece.fingerprint.iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
                columns: piece.columns.clone(),
                factories,
                because: piece.because.clone(),
                wall: cost.wall,
                rows: cost.rows,
                bytes: cost.bytes,
            });
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut factories = self.factories.clone();
        factories.dedup();
        match &factories[..] {
            [factory] => writeln!(f, "a query of `{factory}`, by itself")?,
            _ => writeln!(f, "{} queries together: {}", self.factories.len(), factories.join(", "))?,
        }
        for part in &self.shared {
            writeln!(f, "  computed once: {}", part.about)?;
            writeln!(f, "    because {}", part.because)?;
            writeln!(f, "    for {}", part.factories.join(", "))?;
            writeln!(
                f,
                "    {} rows, {:.1} MiB, {:.1} ms; columns {}",
                part.rows,
                part.bytes as f64 / f64::from(1 << 20),
                1e3 * part.wall.as_secs_f64(),
                part.columns.join(", ")
            )?;
        }
        for (about, why) in &self.left {
            writeln!(f, "  left to each: {about}, since {why}")?;
        }
        for ((factory, wall), engine) in self.factories.iter().zip(&self.queries).zip(&self.engines) {
            writeln!(f, "  {factory}: {:.1} ms, {engine}", 1e3 * wall.as_secs_f64())?;
        }
        Ok(())
    }
}
