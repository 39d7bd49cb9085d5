//! Tables and JSON.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde_json::{Value, json};
use setl::Result;
use setl::optimize::{Interval, RunRecord};
use setl_learn::model::seconds;

/// One line below the header, as in the reports of runs.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Formats a table. The columns in `numbers` are aligned to the right.
pub(crate) fn table(header: &[&str], numbers: Range<usize>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.to_string();
    let lines: Vec<_> = lines.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

pub(crate) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

pub(crate) fn duration(duration: Duration) -> String {
    seconds(duration.as_secs_f64())
}

pub(crate) fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

fn interval(of: &Interval) -> Value {
    json!({ "low": of.low, "median": of.median, "high": of.high })
}

/// A run, with times in seconds.
pub(crate) fn run(run: &RunRecord) -> Value {
    let factories = run.factories.iter().map(|factory| {
        json!({
            "factory": factory.factory,
            "status": factory.status,
            "attempts": factory.attempts,
            "error": factory.error,
            "seconds": factory.wall.as_secs_f64(),
            "predicted": factory.predicted.as_ref().map(interval),
            "rows_in": factory.rows_in,
            "rows_out": factory.rows_out,
            "bytes_in": factory.bytes_in,
            "bytes_out": factory.bytes_out,
        })
    });
    let choices = run.choices.iter().map(|choice| {
        json!({
            "choice": choice.choice,
            "fingerprint": choice.fingerprint,
            "factories": choice.factories,
            "alternative": choice.alternative,
            "tried": choice.tried,
            "seconds": choice.wall.as_secs_f64(),
            "because": choice.because,
        })
    });
    let reads = run.reads.iter().map(|read| {
        json!({
            "factories": read.factories,
            "path": read.path,
            "format": read.format,
            "bytes": read.bytes,
            "columns_read": read.columns_read,
            "columns": read.columns,
        })
    });
    json!({
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "started": time(run.started),
        "version": run.version,
        "workers": run.workers,
        "succeeded": run.succeeded,
        "error": run.error,
        "seconds": run.makespan.as_secs_f64(),
        "predicted": run.predicted.as_ref().map(|predicted| interval(&predicted.makespan)),
        "peak_bytes": run.peak_bytes,
        "factories": factories.collect::<Vec<_>>(),
        "choices": choices.collect::<Vec<_>>(),
        "reads": reads.collect::<Vec<_>>(),
    })
}
