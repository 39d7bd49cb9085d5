//! Running queries and what they share: each shared part when it is first needed, and for as long as it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use polars::prelude::{
    Column, DataFrame, Engine, IntoLazy, LazyFrame, PolarsResult, Scalar, SchemaRef, SeriesMethods as _,
};
use polars_plan::dsl::DslPlan;

use super::engine;
use super::share::{Piece, Shared};
use super::tree::Keys;
use super::{Answer, Fault};
use crate::dataset::waiting;
use crate::optimize::{Optimizer, Pass};

/// What running something has cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) wall: Duration,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    /// The engine that has run it.
    pub(super) engine: &'static str,
}

/// Runs queries whose common parts are apart. What comes out is in the order of the queries; and what each piece has cost.
pub(super) fn execute(
    shared: &Shared,
    queries: usize,
    optimizer: &Optimizer,
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> (Vec<Result<Answer, Fault>>, Vec<Measured>, Vec<Measured>) {
    let pieces = shared.pieces.iter().map(Slot::new).collect();
    let execution = Execution { shared, pieces, optimizer, queries };
    let answers: Vec<_> = (0..queries).map(|_| Mutex::new(None)).collect();
    let measured: Vec<_> = (0..queries).map(|_| Mutex::new(Measured::default())).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= queries {
                return;
            }
            let answer = match is_stopped() {
                true => Err(Fault::Ended),
                false => execution.query(at).map(|(answer, cost)| {
                    *lock(&measured[at]) = cost;
                    answer
                }),
            };
            *lock(&answers[at]) = Some(answer);
        }
    };
    let at_once =
        if optimizer.has(Pass::QueriesAtOnce) { optimizer.queries_at_once().min(queries) } else { 1 };
    waiting(|| {
        std::thread::scope(|scope| {
            for _ in 1..at_once {
                scope.spawn(work);
            }
            work();
        });
    });
    let unlocked = |answer: Mutex<Option<_>>| {
        answer.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or(Err(Fault::Ended))
    };
    let answers = answers.into_iter().map(unlocked).collect();
    let of_pieces = execution
        .pieces
        .into_iter()
        .map(|slot| slot.measured.into_inner().unwrap_or_else(PoisonError::into_inner));
    let of_queries =
        measured.into_iter().map(|cost| cost.into_inner().unwrap_or_else(PoisonError::into_inner));
    (answers, of_pieces.collect(), of_queries.collect())
}

/// What is locked is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Execution<'a> {
    shared: &'a Shared,
    pieces: Vec<Slot>,
    optimizer: &'a Optimizer,
    queries: usize,
}

/// A piece, from the first that needs it to the last.
struct Slot {
    /// Who has not been run yet.
    left: AtomicUsize,
    frame: Mutex<Option<PolarsResult<DataFrame>>>,
    measured: Mutex<Measured>,
}

impl Slot {
    fn new(piece: &Piece) -> Self {
        Self {
            left: AtomicUsize::new(piece.consumers.len()),
            frame: Mutex::new(None),
            measured: Mutex::default(),
        }
    }
}

impl Execution<'_> {
    fn query(&self, at: usize) -> Result<(Answer, Measured), Fault> {
        let complete = self.complete(&self.shared.plans[at], at).map_err(|_| Fault::Shared);
        let result = complete.and_then(|plan| self.collect(plan).map_err(Fault::Query));
        self.release(at);
        result
    }

    /// The plan with the pieces that it needs, which are computed if they are not there.
    fn complete(&self, plan: &DslPlan, consumer: usize) -> PolarsResult<DslPlan> {
        let mut frames = Vec::new();
        for (at, piece) in self.shared.pieces.iter().enumerate() {
            if piece.consumers.contains(&consumer) {
                frames.push((piece.stands, self.piece(at)?.lazy().logical_plan));
            }
        }
        let mut keys = Keys::default();
        Ok(keys.replace(plan, &|key| {
            frames.iter().find(|(stands, _)| stands == key).map(|(_, frame)| frame.clone())
        }))
    }

    fn piece(&self, at: usize) -> PolarsResult<DataFrame> {
        let slot = &self.pieces[at];
        let mut frame = lock(&slot.frame);
        if let Some(frame) = &*frame {
            return frame.clone();
        }
        let piece = &self.shared.pieces[at];
        let consumer = self.queries + at;
        let computed = self.complete(&piece.plan, consumer).and_then(|plan| self.collect(plan)).map(
            |(found, measured)| {
                *lock(&slot.measured) = measured;
                widened(self.marked(found, piece), &piece.schema)
            },
        );
        self.release(consumer);
        let result = computed.clone();
        *frame = Some(computed);
        result
    }

    /// Drops what nobody needs any more after this one.
    fn release(&self, consumer: usize) {
        for (slot, piece) in self.pieces.iter().zip(&self.shared.pieces) {
            if piece.consumers.contains(&consumer) && slot.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                // Nobody asks for it again.
                lock(&slot.frame).take();
            }
        }
    }

    fn collect(&self, plan: DslPlan) -> PolarsResult<(DataFrame, Measured)> {
        let began = Instant::now();
        let engine = match self.optimizer.has(Pass::ChooseEngine) {
            true => engine::of(&plan),
            false => Engine::Auto,
        };
        let frame = LazyFrame::from(plan).collect_with_engine(engine)?.unwrap_single();
        let measured = Measured {
            wall: began.elapsed(),
            rows: frame.height(),
            bytes: frame.estimated_size(),
            engine: if engine == Engine::Streaming { "streaming" } else { "in memory" },
        };
        Ok((frame, measured))
    }

    /// Says of columns of whole numbers that they are in order, if they are: joins and groups by them are cheaper then.
    fn marked(&self, mut frame: DataFrame, piece: &Piece) -> DataFrame {
        if !piece.is_scan || !self.optimizer.has(Pass::MarkSorted) {
            return frame;
        }
        // Files are in the order of their first columns, if they are in any.
        let first: Vec<_> = frame
            .columns()
            .iter()
            .take(2)
            .filter(|column| column.dtype().is_integer() || column.dtype().is_temporal())
            .map(|column| column.name().clone())
            .collect();
        for name in first {
            let sorted = frame.column(&name).ok().and_then(|column| {
                let series = column.as_materialized_series();
                let is_sorted =
                    series.null_count() == 0 && series.is_sorted(Default::default()).unwrap_or(false);
                is_sorted.then(|| {
                    let mut series = series.clone();
                    series.set_sorted_flag(polars::series::IsSorted::Ascending);
                    series
                })
            });
            if let Some(sorted) = sorted {
                // It is a column of this frame.
                let _ = frame.with_column(sorted.into());
            }
        }
        frame
    }
}

/// The frame with all columns that a plan may name. Those that nobody reads are null, which takes no memory.
fn widened(frame: DataFrame, schema: &SchemaRef) -> DataFrame {
    if frame.width() == schema.len() {
        return frame;
    }
    let height = frame.height();
    let columns = schema.iter().map(|(name, dtype)| match frame.column(name) {
        Ok(column) => column.clone(),
        Err(_) => Column::new_scalar(name.clone(), Scalar::null(dtype.clone()), height),
    });
    // The columns of a frame have one height, and the schema names each once.
    DataFrame::new(height, columns.collect()).unwrap_or(frame)
}

/// Runs one query as it is.
pub(super) fn alone(frame: LazyFrame, optimizer: &Optimizer) -> Result<Answer, Fault> {
    let engine = match optimizer.has(Pass::ChooseEngine) {
        true => engine::of(&frame.logical_plan),
        false => Engine::Auto,
    };
    let collected = waiting(|| frame.collect_with_engine(engine));
    collected.map(|result| result.unwrap_single()).map_err(Fault::Query)
}
