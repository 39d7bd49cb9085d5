//! A report as a table.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::numbers::{duration, thousands};
use super::{Entry, Report, Status, Timing};

/// Where the column stands that is there only if factories have waited.
const WAITING: usize = 7;

/// In characters.
pub(super) const WIDEST_REMARK: usize = 32;

/// One rule under the header.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(STYLE);
        let mut header =
            vec!["stage", "factory", "status", "start", "read", "process", "write", "total", "rows"];
        let short_remark =
            |entry: &Entry| if entry.long_remark().is_some() { String::new() } else { entry.remark() };
        // Where it can be seen.
        let waits = self.waiting.iter().any(|waited| *waited >= Duration::from_millis(1));
        if waits {
            header.insert(WAITING, "waiting");
        }
        let noted = self.entries().iter().any(|entry| !short_remark(entry).is_empty());
        if noted {
            header.push("remark");
        }
        table.set_header(header);
        let mut stage = "";
        for entry in self.entries() {
            let Timing { start, read, process, write, .. } = entry.timing;
            let times = match entry.status {
                Status::NotRun | Status::NotSelected | Status::Merged => [const { String::new() }; 5],
                _ => [start, read, process, write, entry.timing.total()].map(duration),
            };
            let stage_cell = if entry.stage == stage { "" } else { &entry.stage };
            stage = &entry.stage;
            let mut row = vec![stage_cell.to_owned(), entry.factory.clone(), entry.status_cell()];
            row.extend(times);
            if waits {
                let waiting = entry.timing.waiting;
                row.insert(WAITING, if waiting.is_zero() { String::new() } else { duration(waiting) });
            }
            row.push(entry.rows.map(thousands).unwrap_or_default());
            if noted {
                row.push(short_remark(entry));
            }
            table.add_row(row);
        }
        for column in 3..9 + usize::from(waits) {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "pipeline {} (run {})", self.pipeline(), self.run_id)?;
        writeln!(f, "{table}")?;
        for entry in self.entries() {
            if let Some(remark) = entry.long_remark() {
                writeln!(f, "{}: {remark}", entry.factory)?;
            }
        }
        let (makespan, sum) = (self.makespan, self.sum());
        let at_once = sum.as_secs_f64() / makespan.as_secs_f64().max(f64::MIN_POSITIVE);
        let (makespan, sum) = (duration(makespan), duration(sum));
        write!(f, "makespan {makespan}, sum of the factories {sum}: {at_once:.1} at once on average")?;
        if !self.committed.is_empty() {
            write!(f, "\nwritten: {}", self.committed.join(", "))?;
        }
        if !self.cache.is_empty() {
            let hits: u32 = self.cache.iter().map(|cache| cache.hits).sum();
            let misses: u32 = self.cache.iter().map(|cache| cache.misses).sum();
            let saved = duration(self.saved());
            write!(f, "\ncache: {hits} taken, {misses} computed; {saved} of computing saved")?;
        }
        if let Some(memory) = &self.memory {
            write!(f, "\n{memory}")?;
        }
        for resource in &self.resources {
            write!(f, "\n{resource}")?;
        }
        #[cfg(all(feature = "polars", feature = "optimize"))]
        {
            let parts: usize = self.explained.iter().map(|queries| queries.shared.len()).sum();
            let queries: usize = self.explained.iter().map(|queries| queries.factories.len()).sum();
            if parts > 0 {
                let parts = if parts == 1 { "1 part".to_owned() } else { format!("{parts} parts") };
                write!(f, "\n{queries} queries share {parts}, which were computed once")?;
            }
        }
        #[cfg(feature = "optimize")]
        if let Some(learned) = &self.learned {
            write!(f, "\n{}", learned.in_brief())?;
        }
        Ok(())
    }
}
