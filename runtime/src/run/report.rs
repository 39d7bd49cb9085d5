//! What ran, how long it took, and what came out.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use uuid::Uuid;

use super::executor::Shared;
use crate::plan::PlanRef;

/// How far a factory is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It gets its deliveries, and reads.
    Read,
    /// It computes its output.
    Process,
    /// It writes its output.
    Write,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Read => "read",
            Phase::Process => "process",
            Phase::Write => "write",
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
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Read,
            1 => Phase::Process,
            _ => Phase::Write,
        }
    }
}

/// What became of a factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It delivered.
    Succeeded,
    /// It returned an error or panicked.
    Failed,
    /// It was dropped before its end.
    Cancelled,
    /// It never started.
    NotRun,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Succeeded => "ok",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
            Status::NotRun => "not run",
        })
    }
}

/// When a factory ran, and for how long in each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// From the start of the run to the start of the factory.
    pub start: Duration,
    /// Getting the deliveries, and [`read`](crate::Factory::read).
    pub read: Duration,
    /// [`process`](crate::Factory::process).
    pub process: Duration,
    /// [`write`](crate::Factory::write).
    pub write: Duration,
}

impl Timing {
    pub(crate) fn unfinished(start: Duration, process: Duration) -> Self {
        Self { start, process, ..Self::default() }
    }

    /// From the start of the factory to its end.
    pub fn total(&self) -> Duration {
        self.read + self.process + self.write
    }
}

/// What became of one factory, as the executor keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) status: Status,
    pub(crate) timing: Timing,
    pub(crate) rows: Option<usize>,
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
}

/// What ran, how long it took, and what came out. Prints as a table.
#[derive(Clone)]
pub struct Report {
    plan: PlanRef,
    run_id: Uuid,
    makespan: Duration,
    /// Of each factory, in the order of the plan; none of those that never started.
    records: Box<[Option<Record>]>,
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

    /// The time of all factories, as if they had run one by one.
    pub fn sum(&self) -> Duration {
        self.records.iter().flatten().map(|record| record.timing.total()).sum()
    }

    /// One entry for each factory, in the order of the stages.
    pub fn entries(&self) -> &[Entry] {
        self.entries.get_or_init(|| {
            let factories = self.plan.factories.iter().zip(&self.records);
            let entries = factories.map(|(factory, record)| Entry {
                factory: factory.name.to_string(),
                stage: self.plan.stages[factory.stage].name.to_string(),
                status: record.map_or(Status::NotRun, |record| record.status),
                timing: record.map(|record| record.timing).unwrap_or_default(),
                rows: record.and_then(|record| record.rows),
            });
            entries.collect()
        })
    }

    /// The entry of the factory with this name.
    pub fn entry(&self, factory: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.factory == factory)
    }

    /// How many factories delivered.
    pub(crate) fn succeeded(&self) -> usize {
        self.records.iter().flatten().filter(|record| record.status == Status::Succeeded).count()
    }

    /// How many factories the pipeline has.
    pub(crate) fn factories(&self) -> usize {
        self.records.len()
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

/// One rule under the header.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(STYLE);
        table
            .set_header(["stage", "factory", "status", "start", "read", "process", "write", "total", "rows"]);
        let mut stage = "";
        for entry in self.entries() {
            let Timing { start, read, process, write } = entry.timing;
            let times = match entry.status {
                Status::NotRun => [const { String::new() }; 5],
                _ => [start, read, process, write, entry.timing.total()].map(duration),
            };
            let stage_cell = if entry.stage == stage { "" } else { &entry.stage };
            stage = &entry.stage;
            let mut row = vec![stage_cell.to_owned(), entry.factory.clone(), entry.status.to_string()];
            row.extend(times);
            row.push(entry.rows.map(thousands).unwrap_or_default());
            table.add_row(row);
        }
        for column in 3..9 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "pipeline {} (run {})", self.pipeline(), self.run_id)?;
        writeln!(f, "{table}")?;
        let (makespan, sum) = (self.makespan, self.sum());
        let at_once = sum.as_secs_f64() / makespan.as_secs_f64().max(f64::MIN_POSITIVE);
        let (makespan, sum) = (duration(makespan), duration(sum));
        write!(f, "makespan {makespan}, sum of the factories {sum}: {at_once:.1} at once on average")
    }
}

/// Three significant digits and a unit.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    match value {
        v if v >= 100.0 => format!("{v:.0} {unit}"),
        v if v >= 10.0 => format!("{v:.1} {unit}"),
        v if v > 0.0 => format!("{v:.2} {unit}"),
        _ => format!("0 {unit}"),
    }
}

/// `1234567` as `1,234,567`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
