//! A report as a table.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::numbers::{duration, mean_parallelism, thousands};
use super::{FactoryReport, Report, Status, Timing};

/// The maximum width of a remark in the table, in characters.
const WIDEST_REMARK: usize = 32;

/// The maximum width of the table, in characters, unless the names need more.
const WIDEST_TABLE: usize = 100;

/// The gap between a remark and the column before it.
const GAP: usize = 3;

/// One line below the header.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The columns of times in a table.
#[derive(Clone, Copy, PartialEq)]
enum Times {
    /// Read, process, write, and the total.
    Phases,
    /// Work and waiting: the phases include the time of waiting, and would say nothing about the work.
    Apart,
    /// Only the total.
    Total,
}

impl Times {
    fn header(self) -> &'static [&'static str] {
        match self {
            Times::Phases => &["start", "read", "process", "write", "total"],
            Times::Apart => &["start", "work", "waiting"],
            Times::Total => &["start", "total"],
        }
    }

    fn cells(self, timing: &Timing) -> Vec<String> {
        let Timing { start, read, process, write, waiting, .. } = *timing;
        let waited = if waiting.is_zero() { String::new() } else { duration(waiting) };
        match self {
            Times::Phases => [start, read, process, write, timing.total()].map(duration).into(),
            Times::Apart => vec![duration(start), duration(timing.work()), waited],
            Times::Total => [start, timing.total()].map(duration).into(),
        }
    }
}

/// A duration of usual width. The columns of a table must not depend on how long factories took.
const SAMPLE: &str = "99.9 ms";

/// The width of the table without remarks.
fn width_without_remarks(entries: &[FactoryReport], times: Times) -> usize {
    let samples = |_: &Timing| vec![SAMPLE.to_owned(); times.header().len()];
    width(&table_of(entries, times, 0, samples))
}

/// The table of all factories, with remarks of at most `widest_remark` characters.
fn table(entries: &[FactoryReport], times: Times, widest_remark: usize) -> String {
    table_of(entries, times, widest_remark, |timing| times.cells(timing))
}

fn table_of(
    entries: &[FactoryReport],
    times: Times,
    widest_remark: usize,
    cells: impl Fn(&Timing) -> Vec<String>,
) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    let header = times.header();
    let noted = entries.iter().any(|entry| is_short(entry, widest_remark));
    let columns = ["stage", "factory", "status"].into_iter().chain(header.iter().copied());
    table.set_header(columns.chain(["rows"]).chain(noted.then_some("remark")));
    let mut stage = "";
    for entry in entries {
        let cells = match entry.status {
            Status::NotRun | Status::NotSelected | Status::Merged => vec![String::new(); header.len()],
            _ => cells(&entry.timing),
        };
        let stage_cell = if entry.stage == stage { "" } else { &entry.stage };
        stage = &entry.stage;
        let mut row = vec![stage_cell.to_owned(), entry.factory.clone(), entry.status_cell()];
        row.extend(cells);
        row.push(match entry.rows {
            None if entry.is_lazy => "lazy".to_owned(),
            rows => rows.map(thousands).unwrap_or_default(),
        });
        if noted {
            row.push(if is_short(entry, widest_remark) { entry.remark() } else { String::new() });
        }
        table.add_row(row);
    }
    for column in 3..=3 + header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn is_short(entry: &FactoryReport, widest_remark: usize) -> bool {
    let remark = entry.remark();
    !remark.is_empty() && remark.chars().count() <= widest_remark
}

fn width(table: &str) -> usize {
    table.lines().map(|line| line.chars().count()).max().unwrap_or_default()
}

/// The table of all factories, the remarks that do not fit into it, and the meaning of `lazy`, if it occurs.
pub(crate) fn factories(entries: &[FactoryReport]) -> String {
    // Shorter waits are not visible in the table.
    let waits = entries.iter().any(|entry| entry.timing.waiting >= Duration::from_millis(1));
    let mut times = if waits { Times::Apart } else { Times::Phases };
    let mut without_remarks = width_without_remarks(entries, times);
    if times == Times::Phases && without_remarks > WIDEST_TABLE {
        times = Times::Total;
        without_remarks = width_without_remarks(entries, times);
    }
    let room = WIDEST_TABLE.saturating_sub(without_remarks + GAP);
    // The column is at least as wide as its header.
    let widest_remark = if room < "remark".len() { 0 } else { room.min(WIDEST_REMARK) };
    let mut text = table(entries, times, widest_remark);
    for entry in entries {
        let remark = entry.remark();
        if !remark.is_empty() && !is_short(entry, widest_remark) {
            text += &format!("\n{}: {remark}", entry.factory);
        }
    }
    if entries.iter().any(|entry| entry.is_lazy) {
        text += "\nlazy: only the query was built; its time is in the factories that run it";
    }
    text
}

/// The summary of the times of a run.
pub(crate) fn summary(makespan: Duration, work: Duration, threads: usize) -> String {
    let parallelism = mean_parallelism(work, makespan, threads);
    let (makespan, work) = (duration(makespan), duration(work));
    format!("makespan {makespan}, work of the factories {work}, mean parallelism {parallelism:.1}")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pipeline {} (run {})", self.pipeline(), self.run_id)?;
        writeln!(f, "{}", factories(self.entries()))?;
        write!(f, "{}", summary(self.makespan, self.total_factory_time(), self.threads))?;
        if !self.committed.is_empty() {
            write!(f, "\nwritten: {}", self.committed.join(", "))?;
        }
        for resource in &self.resources {
            write!(f, "\n{resource}")?;
        }
        for text in self.sections().map(ToString::to_string).filter(|text| !text.is_empty()) {
            write!(f, "\n{text}")?;
        }
        Ok(())
    }
}
