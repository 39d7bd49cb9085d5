//! Runs queries and their shared parts. A shared part is computed when it is first needed, and dropped after its last use.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use polars::prelude::{
    Column, DataFrame, Engine, IntoLazy, LazyFrame, NULL, PolarsError, PolarsResult, Scalar, SchemaRef,
    SeriesMethods as _, lit,
};
use polars_plan::dsl::DslPlan;

use super::chosen::Chosen;
use super::explained::takers;
use super::share::{Piece, Shared};
use super::tree::{Keys, maintained};
use super::{Answer, Asker, By, Fault, has_own_flags};
use crate::base::panic::carried;
use crate::dataset::cast::named;
use crate::dataset::materialized::{Aside, Materialized, Writing};
use crate::dataset::order::Demand;
use crate::dataset::running::answered;
use crate::dataset::waiting;
use crate::memory::Memory;
use crate::optimize::Pass;

/// The cost of a query or a piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) wall: Duration,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    /// The engine that ran it.
    pub(super) engine: &'static str,
    /// The reason for the engine, if it was learned.
    pub(super) because: String,
    /// `true` if the engine was taken to learn more.
    pub(super) tried: bool,
}

/// Runs queries whose shared parts are separate pieces. Calls `done` for each query as soon as it ends. Returns the costs of the
/// pieces and of the queries, each in order.
pub(super) fn execute(
    shared: &Shared,
    factories: &[String],
    by: By<'_>,
    asker: &dyn Asker,
    done: &(dyn Fn(usize, Result<Answer, Fault>) + Sync),
) -> (Vec<Measured>, Vec<Measured>) {
    let pieces = shared.pieces.iter().map(Slot::new).collect();
    let queries = factories.len();
    let By { optimizer, memory, .. } = by;
    let mut reads = vec![Vec::new(); queries + shared.pieces.len()];
    for (at, piece) in shared.pieces.iter().enumerate() {
        piece.consumers.iter().for_each(|consumer| reads[*consumer].push(at));
    }
    let execution = Execution { shared, pieces, by, factories, queries, reads };
    let measured: Vec<_> = (0..queries).map(|_| Mutex::new(Measured::default())).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= queries {
                return;
            }
            if asker.is_stopped() {
                done(at, Err(Fault::Ended));
                continue;
            }
            asker.begins(at);
            let answer = execution.query(at).map(|(answer, cost)| {
                *lock(&measured[at]) = cost;
                answer
            });
            done(at, answer);
        }
    };
    let at_once = match optimizer.has(Pass::ParallelQueries) && memory.is_none() {
        true => optimizer.max_parallel_queries().min(queries),
        false => 1,
    };
    waiting(|| {
        std::thread::scope(|scope| {
            for _ in 1..at_once {
                scope.spawn(work);
            }
            work();
        });
    });
    let of_pieces = execution
        .pieces
        .into_iter()
        .map(|slot| slot.measured.into_inner().unwrap_or_else(PoisonError::into_inner));
    let of_queries =
        measured.into_iter().map(|cost| cost.into_inner().unwrap_or_else(PoisonError::into_inner));
    (of_pieces.collect(), of_queries.collect())
}

/// A value behind a lock is only replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Execution<'a> {
    shared: &'a Shared,
    pieces: Vec<Slot>,
    by: By<'a>,
    /// The factory that waits for each query.
    factories: &'a [String],
    queries: usize,
    /// The pieces that each query, and then each piece, reads.
    reads: Vec<Vec<usize>>,
}

/// The state of a piece, from its first use to its last.
struct Slot {
    /// The number of consumers that have not run yet.
    left: AtomicUsize,
    part: Mutex<Option<PolarsResult<Part>>>,
    measured: Mutex<Measured>,
}

/// The result of a piece, with all columns that a plan may name.
#[derive(Clone)]
struct Part {
    frame: LazyFrame,
    /// The file that holds the result, unless it is in memory.
    _file: Option<Arc<TemporaryFile>>,
}

struct TemporaryFile(Box<Aside>);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // A file that remains is removed together with the others of the run.
        let _ = std::fs::remove_file(&self.0.path);
    }
}

impl Slot {
    fn new(piece: &Piece) -> Self {
        Self {
            left: AtomicUsize::new(piece.consumers.len()),
            part: Mutex::new(None),
            measured: Mutex::default(),
        }
    }
}

impl Execution<'_> {
    fn query(&self, at: usize) -> Result<(Answer, Measured), Fault> {
        let complete = self.pieces_of(at).and_then(|()| self.complete(&self.shared.plans[at], at));
        let complete = complete.map_err(|_| Fault::Shared);
        let result =
            complete.and_then(|plan| self.collect(plan, Demand::ANSWER, || vec![self.factories[at].clone()]));
        self.release(at);
        result
    }

    /// Computes the missing pieces of a query. A piece comes after the pieces that it reads, so that pieces can be nested to any
    /// depth.
    fn pieces_of(&self, query: usize) -> PolarsResult<()> {
        let mut needed = BTreeSet::new();
        let mut todo = self.reads[query].clone();
        while let Some(at) = todo.pop() {
            if lock(&self.pieces[at].part).is_none() && needed.insert(at) {
                todo.extend(&self.reads[self.queries + at]);
            }
        }
        // Consumers have smaller numbers than the pieces that they read.
        needed.into_iter().rev().try_for_each(|at| self.piece(at).map(drop))
    }

    /// The plan with the results of its pieces, which are computed if they are missing.
    fn complete(&self, plan: &DslPlan, consumer: usize) -> PolarsResult<DslPlan> {
        let mut frames = HashMap::new();
        for at in &self.reads[consumer] {
            frames.insert(self.shared.pieces[*at].stands, self.piece(*at)?.frame.logical_plan);
        }
        if frames.is_empty() {
            return Ok(plan.clone());
        }
        Ok(Keys::default().replace(plan, &|key| frames.get(key).cloned()))
    }

    fn piece(&self, at: usize) -> PolarsResult<Part> {
        let slot = &self.pieces[at];
        let mut part = lock(&slot.part);
        if let Some(part) = &*part {
            return part.clone();
        }
        let piece = &self.shared.pieces[at];
        let consumer = self.queries + at;
        // Each query that needs the piece is run again on its own, so that it has its own error or panic.
        let failed = |fault| match fault {
            Fault::Query(error) => error,
            other => PolarsError::ComputeError(format!("{}: {other:?}", piece.about).into()),
        };
        let complete = self.complete(&piece.plan, consumer);
        let takers = || takers(self.shared, self.factories, piece);
        let computed = complete.and_then(|plan| match self.by.memory.filter(|_| !piece.has_room) {
            Some(memory) => self.aside(memory, plan, piece, failed),
            None => {
                let (found, measured) = self.collect(plan, piece.demand, takers).map_err(failed)?;
                let frame = widened(self.marked(found, piece), &piece.schema).lazy();
                Ok((Part { frame, _file: None }, measured))
            }
        });
        let computed = computed.map(|(part, measured)| {
            *lock(&slot.measured) = measured;
            part
        });
        self.release(consumer);
        let result = computed.clone();
        *part = Some(computed);
        result
    }

    /// Computes a piece into a temporary file. A small result stays in memory.
    fn aside(
        &self,
        memory: &Memory,
        plan: DslPlan,
        piece: &Piece,
        failed: impl Fn(Fault) -> PolarsError,
    ) -> PolarsResult<(Part, Measured)> {
        let began = Instant::now();
        let (query, writing) = Writing::begin(memory, LazyFrame::from(plan))?;
        let chosen = Chosen::of(&query.logical_plan, piece.demand, self.by, Vec::new);
        let (_, ran) = run_by(chosen, query).map_err(failed)?;
        let measured = |rows, bytes| Measured { wall: began.elapsed(), rows, bytes, ..ran.clone() };
        Ok(match writing.end(memory)? {
            Materialized::Here(found) => {
                let measured = measured(found.height(), found.estimated_size());
                let frame = widened(self.marked(found, piece), &piece.schema).lazy();
                (Part { frame, _file: None }, measured)
            }
            Materialized::Aside(aside) => {
                let measured = measured(aside.rows, 0);
                let frame = widened_lazily(aside.frame.clone(), &piece.columns, &piece.schema);
                (Part { frame, _file: Some(Arc::new(TemporaryFile(aside))) }, measured)
            }
        })
    }

    /// Drops the pieces for which this consumer was the last.
    fn release(&self, consumer: usize) {
        for (slot, piece) in self.pieces.iter().zip(&self.shared.pieces) {
            if piece.consumers.contains(&consumer) && slot.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                // No consumer needs it again.
                lock(&slot.part).take();
            }
        }
    }

    fn collect(
        &self,
        plan: DslPlan,
        demand: Demand,
        factories: impl FnOnce() -> Vec<String>,
    ) -> Result<(DataFrame, Measured), Fault> {
        run_by(Chosen::of(&plan, demand, self.by, factories), LazyFrame::from(plan))
    }

    /// Marks integer columns as sorted if they are: joins and groups by them are then cheaper.
    fn marked(&self, mut frame: DataFrame, piece: &Piece) -> DataFrame {
        if !piece.is_scan || !piece.may_mark || !self.by.optimizer.has(Pass::MarkSorted) {
            return frame;
        }
        // A sorted file is usually sorted by its first columns.
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
                // The column belongs to this frame.
                let _ = frame.with_column(sorted.into());
            }
        }
        frame
    }
}

/// The frame with all columns that a plan may name. Columns that nothing reads are null, which takes no memory.
pub(super) fn widened(frame: DataFrame, schema: &SchemaRef) -> DataFrame {
    if frame.width() == schema.len() {
        return frame;
    }
    let height = frame.height();
    let columns = schema.iter().map(|(name, dtype)| match frame.column(name) {
        Ok(column) => column.clone(),
        Err(_) => Column::new_scalar(name.clone(), Scalar::null(dtype.clone()), height),
    });
    // The columns of a frame have the same height, and the schema names each column once.
    DataFrame::new(height, columns.collect()).unwrap_or(frame)
}

/// Does the same as [`widened`] for a result in a file.
fn widened_lazily(frame: LazyFrame, found: &[String], schema: &SchemaRef) -> LazyFrame {
    if found.len() == schema.len() {
        return frame;
    }
    let columns =
        schema.iter().map(|(name, dtype)| match found.iter().any(|found| *found == name.as_str()) {
            true => named(name),
            false => lit(NULL).cast(dtype.clone()).alias(name.clone()),
        });
    frame.select(columns.collect::<Vec<_>>())
}

/// Runs one query on its own.
pub(super) fn alone(frame: LazyFrame, factory: &str, by: By<'_>) -> (Result<Answer, Fault>, Measured) {
    let chosen = Chosen::of(&frame.logical_plan, Demand::ANSWER, by, || vec![factory.to_owned()]);
    match waiting(|| run_by(chosen, frame)) {
        Ok((answer, measured)) => (Ok(answer), measured),
        Err(fault) => (Err(fault), Measured::default()),
    }
}

fn run_by(mut chosen: Chosen<'_>, frame: LazyFrame) -> Result<(DataFrame, Measured), Fault> {
    let began = Instant::now();
    let mut frame = frame;
    // Optimisation flags that a user has set apply to the whole query.
    chosen.aggregates = chosen.aggregates.filter(|_| !has_own_flags(&frame));
    if let Some(aggregates) = &chosen.aggregates {
        let run = |aggregate| collected(aggregate, Engine::Streaming, chosen.is_limited);
        match aggregates.computed(run) {
            Ok(plan) => frame.logical_plan = plan,
            // The query is run as a whole, and reports its own error.
            Err(_) => chosen.aggregates = None,
        }
    }
    if chosen.maintains {
        frame.logical_plan = maintained(&frame.logical_plan);
    }
    let frame = collected(frame, chosen.engine, chosen.is_limited)?;
    let wall = began.elapsed();
    let tried = chosen.tries();
    let (engine, because) = chosen.took(wall);
    let (rows, bytes) = (frame.height(), frame.estimated_size());
    Ok((frame, Measured { wall, rows, bytes, engine, because, tried }))
}

/// Runs a query. A panic in the query becomes the panic of the factory that waits for it.
fn collected(frame: LazyFrame, engine: Engine, is_limited: bool) -> Result<Answer, Fault> {
    let run = |frame, engine| match carried(|| answered(frame, engine)) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Fault::Query(error)),
        Err(panic) => Err(Fault::Panicked(panic)),
    };
    let writes = matches!(frame.logical_plan, DslPlan::Sink { .. });
    if engine != Engine::Streaming || writes {
        return run(frame, engine);
    }
    match run(frame.clone(), engine) {
        Ok(answer) => Ok(answer),
        // A query that fails with the streaming engine is tried again, since the in-memory engine supports more. Under a memory
        // limit it is not tried again.
        Err(Fault::Query(error)) if is_limited => Err(Fault::Query(error)),
        Err(_) => run(frame, Engine::InMemory),
    }
}
