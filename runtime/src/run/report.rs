//! What ran, how long it took, and what came out.

mod numbers;
mod show;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use uuid::Uuid;

#[cfg(feature = "optimize")]
use super::learn::Learned;
use super::memory::MemoryReport;
#[cfg(feature = "optimize")]
use super::optimized::Explainable;
use super::rows::Rows;
use super::shared::Shared;
use crate::cache::CacheReport;
#[cfg(all(feature = "polars", feature = "optimize"))]
use crate::optimize::Explained;
use crate::plan::{Node, PlanRef, Source};
use crate::policy::ResourceReport;
pub(super) use numbers::duration;
use numbers::mean_parallelism;

/// How far a factory is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It gets its deliveries.
    Assemble,
    /// It finds out whether it is to run: `when = …`.
    Condition,
    /// It reads.
    Read,
    /// It computes its output.
    Process,
    /// It writes its output.
    Write,
    /// Its output is kept as a checkpoint.
    Checkpoint,
    /// What it has written becomes visible.
    Commit,
    /// What it has done is undone.
    Rollback,
}

const PHASES: [Phase; 8] = [
    Phase::Assemble,
    Phase::Condition,
    Phase::Read,
    Phase::Process,
    Phase::Write,
    Phase::Checkpoint,
    Phase::Commit,
    Phase::Rollback,
];

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Assemble => "assemble",
            Phase::Condition => "condition",
            Phase::Read => "read",
            Phase::Process => "process",
            Phase::Write => "write",
            Phase::Checkpoint => "checkpoint",
            Phase::Commit => "commit",
            Phase::Rollback => "rollback",
        })
    }
}

/// A phase that one thread advances and another may read.
#[derive(Default)]
pub(crate) struct PhaseCell(AtomicU8);

impl PhaseCell {
    pub(crate) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Phase {
        PHASES[usize::from(self.0.load(Ordering::Relaxed))]
    }
}

/// What became of a factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It delivered.
    Succeeded,
    /// What it delivered in a run that did not succeed was taken: this run goes on with it.
    Restored,
    /// What it delivered in an earlier run was taken from the [cache](crate::cache), since nothing has changed that it depends
    /// on.
    Cached,
    /// It did not run: another factory that does the same has, and its output was taken. The [note](Entry::note) says which.
    Merged,
    /// It was left out, by its condition or because it failed and may be; its output is absent.
    Skipped,
    /// It returned an error, panicked or took too long, in its last attempt.
    Failed,
    /// It was dropped before its end.
    Cancelled,
    /// It never started, since what it needs failed, or since the run ended.
    NotRun,
    /// The run was asked for without it, or nobody needed it.
    NotSelected,
}

impl Status {
    /// Whether its output is there.
    pub const fn has_delivered(self) -> bool {
        matches!(self, Status::Succeeded | Status::Restored | Status::Cached | Status::Merged)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Succeeded => "ok",
            Status::Restored => "restored",
            Status::Cached => "cached",
            Status::Merged => "merged",
            Status::Skipped => "skipped",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
            Status::NotRun => "not run",
            Status::NotSelected => "left out",
        })
    }
}

/// When a factory ran, and for how long in each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// From the start of the run to the start of the factory.
    pub start: Duration,
    /// Attempts that failed, and the waits between them.
    pub before: Duration,
    /// Getting the deliveries, and [`read`](crate::Factory::read).
    pub read: Duration,
    /// [`process`](crate::Factory::process).
    pub process: Duration,
    /// [`write`](crate::Factory::write).
    pub write: Duration,
    /// Of all that, the time in which it waited for the queries of other factories, which is not work of its own.
    pub waiting: Duration,
}

impl Timing {
    /// From the start of the factory to its end.
    pub fn total(&self) -> Duration {
        self.before + self.read + self.process + self.write
    }

    /// From the start of the factory to its end, without the time in which it waited for the queries of others.
    pub fn work(&self) -> Duration {
        self.total().saturating_sub(self.waiting)
    }
}

/// A [`Timing`] in nanoseconds: half as large, since each factory moves one about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nanos {
    pub(crate) start: u64,
    pub(crate) before: u64,
    pub(crate) read: u64,
    pub(crate) process: u64,
    pub(crate) write: u64,
}

impl Nanos {
    pub(crate) fn unfinished(start: Duration, process: Duration) -> Self {
        Self { start: nanos(start), process: nanos(process), ..Self::default() }
    }

    #[inline]
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.before + self.read + self.process + self.write)
    }
}

impl From<Nanos> for Timing {
    fn from(nanos: Nanos) -> Self {
        let Nanos { start, before, read, process, write } = nanos;
        let [start, before, read, process, write] =
            [start, before, read, process, write].map(Duration::from_nanos);
        Self { start, before, read, process, write, waiting: Duration::ZERO }
    }
}

/// Enough for five centuries.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}

/// What became of one factory, as the executor keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) status: Status,
    pub(crate) timing: Nanos,
    pub(crate) rows: Rows,
    /// Zero if none was made.
    pub(crate) attempts: u32,
    /// The attempt whose output it is.
    pub(crate) delivered_by: u32,
}

/// One factory in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub factory: String,
    /// Its stage.
    pub stage: String,
    /// What became of it.
    pub status: Status,
    /// When it ran.
    pub timing: Timing,
    /// Rows of its output, where they are known without running a query.
    pub rows: Option<usize>,
    /// Whether its output is a query that it has only built: the time of the factory is not that of the rows.
    pub is_lazy: bool,
    /// The factories in whose queries a lazy output was computed, as far as that is known.
    pub computed_by: Vec<String>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The factory that failed, so that this one could not run.
    pub because: Option<String>,
    /// What there is to say of it: who stood in for it, why it was skipped.
    pub note: Option<String>,
}

impl Entry {
    /// `ok`, or `ok (3 attempts)`.
    fn status_cell(&self) -> String {
        match self.attempts {
            0 | 1 => self.status.to_string(),
            several => format!("{} ({several} attempts)", self.status),
        }
    }

    fn remark(&self) -> String {
        match (&self.because, &self.note) {
            (Some(because), _) => format!("needs `{because}`"),
            (None, Some(note)) => note.replace('\n', " "),
            (None, None) => match &self.computed_by[..] {
                [] => String::new(),
                [only] => format!("run by {only}"),
                [first, others @ ..] => format!("run by {first} and {} more", others.len()),
            },
        }
    }

    /// Whether it did not come to its end because the run ended.
    pub(crate) fn was_stopped(&self) -> bool {
        self.status == Status::Cancelled || (self.status == Status::NotRun && self.because.is_none())
    }
}

/// What ran, how long it took, and what came out. Prints as a table.
#[derive(Clone)]
pub struct Report {
    pub(super) plan: PlanRef,
    run_id: Uuid,
    makespan: Duration,
    /// Of each factory, in the order of the plan; none of those that never started.
    records: Box<[Option<Record>]>,
    /// How long each has waited for the queries of others; empty if none has.
    waiting: Box<[Duration]>,
    /// The factories in whose queries each lazy output was computed.
    computed: BTreeMap<usize, BTreeSet<usize>>,
    /// How many threads have worked.
    threads: usize,
    /// What there is to say of some of them.
    notes: Vec<(usize, String)>,
    /// The factories whose outputs are kept for a run that resumes this one.
    pub(super) resumable: Vec<usize>,
    /// What has become visible, in the order of the commit.
    pub(crate) committed: Vec<String>,
    /// Whether some factories delivered although others failed.
    pub(crate) kept_going: bool,
    resources: Vec<ResourceReport>,
    #[cfg(all(feature = "polars", feature = "optimize"))]
    pub(crate) explained: Vec<Explained>,
    #[cfg(feature = "optimize")]
    pub(crate) learned: Option<Box<Learned>>,
    #[cfg(feature = "optimize")]
    pub(super) explainable: Box<Explainable>,
    cache: Vec<CacheReport>,
    memory: Option<MemoryReport>,
    /// Made when they are asked for, which is seldom after a run that succeeded.
    entries: OnceLock<Vec<Entry>>,
}

impl Report {
    pub(crate) fn of(shared: &Shared) -> Self {
        Self {
            plan: shared.plan.clone(),
            run_id: shared.run_id,
            makespan: shared.started.elapsed(),
            records: shared.records().map(Option::<&Record>::cloned).collect(),
            waiting: shared.all_waited(),
            computed: shared.all_computed(),
            threads: shared.threads.count(),
            notes: shared.take_notes(),
            resumable: Vec::new(),
            committed: Vec::new(),
            kept_going: false,
            resources: shared.resource_reports(),
            #[cfg(feature = "optimize")]
            learned: None,
            #[cfg(feature = "optimize")]
            explainable: shared.explainable.clone(),
            #[cfg(all(feature = "polars", feature = "optimize"))]
            explained: shared.gather.as_ref().map(|gather| gather.take_explained()).unwrap_or_default(),
            cache: shared.session.as_ref().map(|session| session.cache_reports()).unwrap_or_default(),
            memory: shared.memory.as_ref().map(|memory| memory.report()),
            entries: OnceLock::new(),
        }
    }

    /// The name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.plan.pipeline
    }

    /// Identifies the run.
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// From the start of the run to its end.
    pub fn makespan(&self) -> Duration {
        self.makespan
    }

    /// How many factories worked on average: their [work](Timing::work) by the makespan. It is never more than the number of threads
    /// that worked. A factory that awaits anything but a query counts as one that works.
    pub fn mean_parallelism(&self) -> f64 {
        mean_parallelism(self.sum(), self.makespan, self.threads)
    }

    /// The time of all factories, as if they had run one by one, without the time in which they waited for the queries of others.
    pub fn sum(&self) -> Duration {
        let work = |(node, record): (usize, &Option<Record>)| {
            record.map(|record| record.timing.total().saturating_sub(self.waited(node))).unwrap_or_default()
        };
        self.records.iter().enumerate().map(work).sum()
    }

    fn waited(&self, node: usize) -> Duration {
        self.waiting.get(node).copied().unwrap_or_default()
    }

    /// One entry for each factory, in the order of the stages.
    pub fn entries(&self) -> &[Entry] {
        self.entries.get_or_init(|| {
            let because = self.because();
            let mut all_notes: Vec<Vec<&str>> = vec![Vec::new(); self.records.len()];
            for (node, note) in &self.notes {
                all_notes[*node].push(note);
            }
            let entry = |(index, factory): (usize, &Node)| {
                let record = self.records[index];
                let notes = &all_notes[index];
                Entry {
                    factory: factory.name.to_string(),
                    stage: self.plan.stages[factory.stage].name.to_string(),
                    status: record.map_or(Status::NotRun, |record| record.status),
                    timing: record
                        .map(|record| Timing { waiting: self.waited(index), ..record.timing.into() })
                        .unwrap_or_default(),
                    rows: record.and_then(|record| record.rows.known()),
                    is_lazy: record.is_some_and(|record| record.rows == Rows::Lazy),
                    computed_by: self.computed_by(index),
                    attempts: record.map_or(0, |record| record.attempts),
                    because: because[index].map(|root| self.plan.factories[root].name.to_string()),
                    note: (!notes.is_empty()).then(|| notes.join("; ")),
                }
            };
            self.plan.factories.iter().enumerate().map(entry).collect()
        })
    }

    fn computed_by(&self, node: usize) -> Vec<String> {
        let by = self.computed.get(&node).into_iter().flatten();
        by.map(|by| self.plan.factories[*by].name.to_string()).collect()
    }

    /// For each factory that did not run, the one that failed above it.
    fn because(&self) -> Vec<Option<usize>> {
        let mut because = vec![None; self.records.len()];
        for node in self.plan.factory_order() {
            if self.records[node].is_some() {
                continue;
            }
            because[node] = self.plan.factories[node].sources.iter().find_map(|source| match *source {
                Source::Factory(above) => match self.records[above] {
                    Some(record) => (record.status == Status::Failed).then_some(above),
                    None => because[above],
                },
                _ => None,
            });
        }
        because
    }

    /// What has become visible, as in `Parquet file delays.parquet`, in the order of the commit.
    pub fn committed(&self) -> &[String] {
        &self.committed
    }

    /// Whether some factories delivered although others failed.
    pub(crate) fn kept_going(&self) -> bool {
        self.kept_going
    }

    /// What became of the [resources](crate::policy::Resource) that factories share.
    pub fn resources(&self) -> &[ResourceReport] {
        &self.resources
    }

    /// What was predicted of this run, and how that went, if it was to [learn](crate::Runner::learn).
    #[cfg(feature = "optimize")]
    pub fn learned(&self) -> Option<&Learned> {
        self.learned.as_deref()
    }

    /// The queries that were run together, in the order in which they were, and what they shared.
    ///
    /// ```
    /// use setl::polars::prelude::*;
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn sales() -> Result<LazyFrame> {
    ///     Ok(df!("product" => ["tea", "coffee", "tea"], "price" => [2.5, 6.0, 4.0])?.lazy())
    /// }
    ///
    /// #[factory]
    /// async fn dearest(sales: LazyFrame) -> Result<DataFrame> {
    ///     let by_product = sales.group_by([col("product")]).agg([col("price").sum()]);
    ///     setl::collect(by_product.filter(col("price").gt(lit(6.0)))).await
    /// }
    ///
    /// #[factory(id = Count)]
    /// async fn products(sales: LazyFrame) -> Result<DataFrame> {
    ///     let by_product = sales.group_by([col("product")]).agg([col("price").sum()]);
    ///     setl::collect(by_product.select([len()])).await
    /// }
    ///
    /// struct Count;
    ///
    /// #[pipeline(extract(sales), transform(dearest, products))]
    /// struct Shop;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let run = Shop.run().await?;
    /// let shared = &run.queries()[0].shared[0];
    /// assert_eq!(shared.about, "aggregate by product");
    /// assert_eq!(shared.factories, ["dearest", "products"]);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(all(feature = "polars", feature = "optimize"))]
    pub fn queries(&self) -> &[Explained] {
        &self.explained
    }

    /// What the [cache](crate::cache) did for each factory whose output is cached, in the order of the stages: for each, whether
    /// its output was taken, or else why not.
    pub fn cache(&self) -> &[CacheReport] {
        &self.cache
    }

    /// The time that factories which did not run because of the cache had taken when they did. What else was not needed
    /// then, and is not cached itself, comes on top.
    pub fn saved(&self) -> Duration {
        self.cache.iter().map(|cache| cache.saved).sum()
    }

    /// How the run came along with its [limit of memory](crate::Runner::memory_limit), if it had one.
    pub fn memory(&self) -> Option<&MemoryReport> {
        self.memory.as_ref()
    }

    /// The entry of the factory with this name.
    pub fn entry(&self, factory: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.factory == factory)
    }

    /// How many factories delivered.
    pub(crate) fn succeeded(&self) -> usize {
        self.records.iter().flatten().filter(|record| record.status.has_delivered()).count()
    }

    /// How many factories were to run.
    pub(crate) fn asked_for(&self) -> usize {
        let without = |record: &&Record| record.status == Status::NotSelected;
        self.records.len() - self.records.iter().flatten().filter(without).count()
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("pipeline", &self.pipeline())
            .field("run_id", &self.run_id)
            .field("makespan", &self.makespan)
            .field("entries", &self.entries())
            .finish()
    }
}
