//! Describes queries that were run together: their shared parts, and their costs.

use std::collections::BTreeSet;

use super::Asker;
use super::execute::Measured;
use super::share::{Piece, Shared};
use super::tree::{self, Keys};
use crate::optimize::together::{Explained, SharedPart};

impl Explained {
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
