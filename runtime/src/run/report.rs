//! The report of a run: the factories, their times, and their outputs.

mod numbers;
mod show;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use uuid::Uuid;

use super::rows::Rows;
use super::section::Section;
use super::shared::Shared;
use crate::plan::{Node, Plan, PlanRef, Source};
use crate::policy::ResourceReport;
pub(crate) use numbers::duration;
use numbers::mean_parallelism;

/// The current phase of a factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The factory takes its deliveries.
    Assemble,
    /// The factory checks its condition: `when = …`.
    Condition,
    /// The factory reads.
    Read,
    /// The factory computes its output.
    Process,
    /// The factory writes its output.
    Write,
    /// The output is kept as a checkpoint.
    Checkpoint,
    /// The writes of the factory become visible.
    Commit,
    /// The effects of the factory are undone.
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

/// The final status of a factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The factory delivered.
    Succeeded,
    /// The output was taken from a run that did not succeed: this run resumes it.
    Restored,
    /// The output of an earlier run was taken from the [cache](crate::cache), since nothing has changed on which it depends.
    Cached,
    /// The factory did not run: an equal factory ran, and its output was taken. The [note](FactoryReport::note) names it.
    Merged,
    /// The factory was skipped: by its condition, or because its policy allows it to fail. Its output is absent.
    Skipped,
    /// The factory returned an error, panicked or timed out in its last attempt.
    Failed,
    /// The factory was dropped before its end.
    Cancelled,
    /// The factory never started, because an upstream factory failed, or because the run ended.
    NotRun,
    /// The factory was not selected for the run, or nothing needed its output.
    NotSelected,
}

impl Status {
    /// `true` if the output is available.
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

/// The start of a factory, and the time of each of its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The time from the start of the run to the start of the factory.
    pub start: Duration,
    /// The time of failed attempts and of the waits between them.
    pub retry_time: Duration,
    /// The time to take the deliveries and to [`read`](crate::Factory::read).
    pub read: Duration,
    /// The time of [`process`](crate::Factory::process).
    pub process: Duration,
    /// The time of [`write`](crate::Factory::write).
    pub write: Duration,
    /// The part of these times during which it waited for the queries of other factories. It is not work of its own.
    pub waiting: Duration,
}

impl Timing {
    /// The time from the start of the factory to its end.
    pub fn total(&self) -> Duration {
        self.retry_time + self.read + self.process + self.write
    }

    /// The time from the start of the factory to its end, without the time that it waited for the queries of others.
    pub fn work(&self) -> Duration {
        self.total().saturating_sub(self.waiting)
    }
}

/// A [`Timing`] in nanoseconds. It is half as large, because each factory moves one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nanos {
    pub(crate) start: u64,
    pub(crate) retry_time: u64,
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
        Duration::from_nanos(self.retry_time + self.read + self.process + self.write)
    }
}

impl From<Nanos> for Timing {
    fn from(nanos: Nanos) -> Self {
        let Nanos { start, retry_time, read, process, write } = nanos;
        let [start, retry_time, read, process, write] =
            [start, retry_time, read, process, write].map(Duration::from_nanos);
        Self { start, retry_time, read, process, write, waiting: Duration::ZERO }
    }
}

/// Converts to nanoseconds. The range is five centuries.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}

/// The result of one factory, as the executor keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) status: Status,
    pub(crate) timing: Nanos,
    pub(crate) rows: Rows,
    /// Zero if no attempt was made.
    pub(crate) attempts: u32,
    /// The attempt that delivered the output.
    pub(crate) delivered_by: u32,
}

impl Record {
    /// The record of a factory that did not run.
    pub(crate) fn without_run(status: Status) -> Self {
        Self { status, timing: Nanos::default(), rows: Rows::Unknown, attempts: 0, delivered_by: 0 }
    }
}

/// For each factory that did not run, the upstream factory that failed. `status` is `None` for a factory that never started.
pub(crate) fn failed_upstream(plan: &Plan, status: impl Fn(usize) -> Option<Status>) -> Vec<Option<usize>> {
    let mut because = vec![None; plan.factories.len()];
    for node in plan.factory_order() {
        if status(node).is_some() {
            continue;
        }
        because[node] = plan.factories[node].sources.iter().find_map(|source| match *source {
            Source::Factory(above) => match status(above) {
                Some(status) => (status == Status::Failed).then_some(above),
                None => because[above],
            },
            _ => None,
        });
    }
    because
}

/// One factory in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FactoryReport {
    /// The name of the factory.
    pub factory: String,
    /// The stage of the factory.
    pub stage: String,
    /// The final status.
    pub status: Status,
    /// The start and the times of the factory.
    pub timing: Timing,
    /// The number of rows of the output, if it is known without running a query.
    pub rows: Option<usize>,
    /// `true` if the output is a query that has not run: the time of the factory does not include it.
    pub is_lazy: bool,
    /// The factories in whose queries a lazy output was computed, as far as they are known.
    pub computed_by: Vec<String>,
    /// The number of attempts.
    pub attempts: u32,
    /// The upstream factory whose failure prevented this one from running.
    pub failed_upstream: Option<String>,
    /// A note: for instance, the name of its fallback, or the reason why it was skipped.
    pub note: Option<String>,
}

impl FactoryReport {
    /// The status as text: `ok`, or `ok (3 attempts)`.
    fn status_cell(&self) -> String {
        match self.attempts {
            0 | 1 => self.status.to_string(),
            several => format!("{} ({several} attempts)", self.status),
        }
    }

    fn remark(&self) -> String {
        match (&self.failed_upstream, &self.note) {
            (Some(because), _) => format!("needs `{because}`"),
            (None, Some(note)) => note.replace('\n', " "),
            (None, None) => match &self.computed_by[..] {
                [] => String::new(),
                [only] => format!("run by {only}"),
                [first, others @ ..] => format!("run by {first} and {} more", others.len()),
            },
        }
    }

    /// `true` if the end of the run prevented or interrupted the factory.
    pub(crate) fn was_stopped(&self) -> bool {
        self.status == Status::Cancelled || (self.status == Status::NotRun && self.failed_upstream.is_none())
    }
}

/// The report of a run: the factories, their times, and their outputs. Prints as a table.
#[derive(Clone)]
pub struct Report {
    pub(crate) plan: PlanRef,
    run_id: Uuid,
    makespan: Duration,
    /// The record of each factory, in the order of the plan. `None` for a factory that never started.
    records: Box<[Option<Record>]>,
    /// The time that each factory has waited for the queries of others. Empty if none has.
    pub(crate) waiting: Box<[Duration]>,
    /// For each lazy output, the factories in whose queries it was computed.
    pub(crate) computed: BTreeMap<usize, BTreeSet<usize>>,
    /// The number of threads that have worked for the run.
    threads: usize,
    /// The notes about factories.
    pub(crate) notes: Vec<(usize, String)>,
    /// The factories whose outputs are kept for a run that resumes this one.
    pub(crate) resumable: Vec<usize>,
    /// The targets that have become visible, in the order of the commit.
    pub(crate) committed: Vec<String>,
    /// `true` if some factories delivered although others failed.
    pub(crate) kept_going: bool,
    resources: Vec<ResourceReport>,
    /// The parts that capabilities have added.
    pub(crate) sections: Vec<Arc<dyn Section>>,
    /// Created on demand, which is rare after a successful run.
    entries: OnceLock<Vec<FactoryReport>>,
}

impl Report {
    pub(crate) fn of(shared: &Shared) -> Self {
        let mut report = Self {
            plan: shared.plan.clone(),
            run_id: shared.run_id,
            makespan: shared.started.elapsed(),
            records: shared.records().map(Option::<&Record>::cloned).collect(),
            waiting: Box::default(),
            computed: BTreeMap::new(),
            threads: shared.threads.count(),
            notes: shared.take_notes(),
            resumable: Vec::new(),
            committed: Vec::new(),
            kept_going: false,
            resources: shared.resource_reports(),
            sections: Vec::new(),
            entries: OnceLock::new(),
        };
        shared.hooks.all().for_each(|hook| hook.report(shared, &mut report));
        report
    }

    /// The name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.plan.pipeline
    }

    /// The id of the run.
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// The time from the start of the run to its end.
    pub fn makespan(&self) -> Duration {
        self.makespan
    }

    /// The mean number of factories that worked at the same time: their [work](Timing::work) divided by the makespan. It is at
    /// most the number of threads that worked. A factory that awaits anything other than a query counts as working.
    pub fn mean_parallelism(&self) -> f64 {
        mean_parallelism(self.total_factory_time(), self.makespan, self.threads)
    }

    /// The total time of all factories, as if they had run one by one, without the time that they waited for the queries of
    /// others.
    pub fn total_factory_time(&self) -> Duration {
        let work = |(node, record): (usize, &Option<Record>)| {
            record.map(|record| record.timing.total().saturating_sub(self.waited(node))).unwrap_or_default()
        };
        self.records.iter().enumerate().map(work).sum()
    }

    fn waited(&self, node: usize) -> Duration {
        self.waiting.get(node).copied().unwrap_or_default()
    }

    /// One entry for each factory, in the order of the stages.
    pub fn entries(&self) -> &[FactoryReport] {
        self.entries.get_or_init(|| {
            let failed_upstream =
                failed_upstream(&self.plan, |node| self.records[node].map(|record| record.status));
            let mut all_notes: Vec<Vec<&str>> = vec![Vec::new(); self.records.len()];
            for (node, note) in &self.notes {
                all_notes[*node].push(note);
            }
            let entry = |(index, factory): (usize, &Node)| {
                let record = self.records[index];
                let notes = &all_notes[index];
                FactoryReport {
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
                    failed_upstream: failed_upstream[index]
                        .map(|root| self.plan.factories[root].name.to_string()),
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

    /// The targets that have become visible, as in `Parquet file delays.parquet`, in the order of the commit.
    pub fn committed(&self) -> &[String] {
        &self.committed
    }

    /// `true` if some factories delivered although others failed.
    pub(crate) fn kept_going(&self) -> bool {
        self.kept_going
    }

    /// The state of the [resources](crate::policy::Resource) that factories share.
    pub fn resources(&self) -> &[ResourceReport] {
        &self.resources
    }

    /// The section of this type, if a capability of the run, or an [observer](super::Observer), has added one.
    pub fn section<S: Section>(&self) -> Option<&S> {
        self.sections.iter().find_map(|section| (&**section as &dyn Any).downcast_ref())
    }

    /// All sections, in the order in which they are printed.
    pub fn sections(&self) -> impl Iterator<Item = &dyn Section> {
        self.sections.iter().map(|section| &**section)
    }

    /// Adds a section.
    pub(crate) fn add(&mut self, section: impl Section) {
        self.sections.push(Arc::new(section));
    }

    /// The entry of the factory with this name.
    pub fn entry(&self, factory: &str) -> Option<&FactoryReport> {
        self.entries().iter().find(|entry| entry.factory == factory)
    }

    /// The number of factories that delivered.
    pub(crate) fn succeeded(&self) -> usize {
        self.records.iter().flatten().filter(|record| record.status.has_delivered()).count()
    }

    /// The number of selected factories.
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
