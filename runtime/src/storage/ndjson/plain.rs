//! Detection of JSON files that Polars reads to the same values as [`rows`](super::rows), so that Polars may read them
//! directly.
//!
//! The scan of Polars supports filters, projections and limits, and never holds the whole file. But it changes values
//! silently: `1.0` is no integer to it, a number in a text column loses digits, and the second of two equal keys is
//! dropped. So a file is checked first. A file with any value that is not in plain form is left to `rows`, which reports
//! errors.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memrchr;
use polars::prelude::*;
use polars_plan::dsl::DslPlan;

use super::json::{NotJson, Text, Value, members};
use super::rows::fits;
use crate::dataset::ColumnDef;
use crate::storage::csv::check::{Checked, WINDOW, Window, bounds, in_parallel, line_after, threads_for};
use crate::storage::csv::guard::FileStamp;
use crate::storage::text::{self, Patterns};

/// The name in plans of the node that checks a plain file while it is read. It lets all rows through.
pub(crate) const CHECK_JSON: &str = "check lines of JSON";

/// Returns a scan of a file by Polars, if all of its lines are plain.
pub(super) fn scan(
    path: &Path,
    polars_path: PlRefPath,
    columns: &[ColumnDef],
) -> crate::Result<Option<LazyFrame>> {
    // If the file changes during the check, the guard notices that its state differs from this one.
    let Ok(print) = FileStamp::of(path) else { return Ok(None) };
    if !is_plain(path, columns).unwrap_or(false) {
        return Ok(None);
    }
    let schema = columns.iter().map(|column| (column.name.into(), raw(&column.dtype))).collect();
    let mut frame = LazyJsonLineReader::new(polars_path).with_schema(Some(Arc::new(schema))).finish()?;
    // The path is not a pattern, even if it contains `*` or `[`.
    if let DslPlan::Scan { unified_scan_args, .. } = &mut frame.logical_plan {
        unified_scan_args.glob = false;
    }
    let guard = Guard { path: path.to_owned(), columns: columns.into(), plain: Mutex::new(print) };
    let optimizations = AllowedOptimizations::default() | OptFlags::STREAMING;
    let frame = frame.map(move |rows| guard.pass(rows), optimizations, None, Some(CHECK_JSON));
    if columns.iter().all(|column| raw(&column.dtype) == column.dtype) {
        return Ok(Some(frame));
    }
    let declared = columns.iter().map(|column| match &column.dtype {
        dtype if text::is_text(dtype) => text::parsed(column, &Patterns::default()),
        dtype if raw(dtype) != *dtype => col(column.name).strict_cast(dtype.clone()),
        _ => col(column.name),
    });
    Ok(Some(frame.select(declared.collect::<Vec<_>>())))
}

/// Returns the dtype that Polars reads from JSON as a step towards `dtype`.
fn raw(dtype: &DataType) -> DataType {
    match dtype {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 | DataType::Duration(_) => {
            DataType::Int64
        }
        dtype if text::is_text(dtype) => DataType::String,
        dtype => dtype.clone(),
    }
}

/// Lets the rows of a file through as long as the whole file is plain.
struct Guard {
    path: PathBuf,
    columns: Vec<ColumnDef>,
    /// The last state of the file that was plain.
    plain: Mutex<FileStamp>,
}

impl Guard {
    fn pass(&self, rows: DataFrame) -> PolarsResult<DataFrame> {
        // A deleted file existed when Polars opened it.
        let Ok(print) = FileStamp::of(&self.path) else { return Ok(rows) };
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        if *plain != print {
            if !is_plain(&self.path, &self.columns).unwrap_or(false) {
                polars_bail!(
                    ComputeError: "NDJSON file {} cannot be read: it has changed since it was loaded; load it again",
                    self.path.display()
                );
            }
            *plain = print;
        }
        Ok(rows)
    }
}

/// `true` if Polars reads all values of a file as they are meant.
fn is_plain(path: &Path, columns: &[ColumnDef]) -> Checked<bool> {
    // Polars treats such a column name as a pattern.
    if columns.iter().any(|column| column.name == "*" || column.name.starts_with('^')) {
        return Ok(false);
    }
    let end = std::fs::metadata(path)?.len();
    let pieces = in_parallel(&bounds(0, end, threads_for(end)), |(from, to)| {
        let start = if from == 0 { Some(0) } else { line_after(path, from - 1, to)? };
        start.map_or(Ok(true), |start| lines_are_plain(path, start, to, columns))
    })?;
    Ok(pieces.into_iter().all(|plain| plain))
}

/// `true` if all lines that begin between `at` and `to` are plain. `at` must be the start of a line.
fn lines_are_plain(path: &Path, mut at: u64, to: u64, columns: &[ColumnDef]) -> Checked<bool> {
    let mut window = Window::open(path, at)?;
    let (mut found, mut wanted) = (vec![false; columns.len()], WINDOW);
    while at < to {
        window.fill(wanted)?;
        let rest = window.rest();
        let whole = match window.ended {
            true => rest.len(),
            false => memrchr(b'\n', rest).map_or(0, |end| end + 1),
        };
        if whole == 0 && window.ended {
            break;
        }
        let Ok(lines) = std::str::from_utf8(&rest[..whole]) else { return Ok(false) };
        for line in lines.split_inclusive('\n') {
            if at >= to {
                return Ok(true);
            }
            at += line.len() as u64;
            if !line_is_plain(line.strip_suffix('\n').unwrap_or(line), columns, &mut found) {
                return Ok(false);
            }
        }
        wanted = if whole == 0 { 2 * rest.len().max(WINDOW) } else { WINDOW };
        window.start += whole;
    }
    Ok(true)
}

/// The error for a line that is not plain.
struct Odd;

impl From<NotJson> for Odd {
    fn from(_: NotJson) -> Self {
        Self
    }
}

/// `true` if a line is plain. `found` has one element per column.
fn line_is_plain(line: &str, columns: &[ColumnDef], found: &mut [bool]) -> bool {
    if line.is_empty() {
        return true;
    }
    found.fill(false);
    let member = |key: Text<'_>, value| {
        let key = key.value();
        let plain = match columns.iter().position(|column| column.name == key) {
            Some(index) => {
                !std::mem::replace(&mut found[index], true) && is_declared(value, &columns[index].dtype)
            }
            None => can_be_skipped(value),
        };
        if plain { Ok(()) } else { Err(Odd) }
    };
    line.starts_with('{') && line.ends_with('}') && members(line, member).is_ok()
}

/// `true` if Polars reads a value as `dtype` and gets the same value as this module.
fn is_declared(value: Value<'_>, dtype: &DataType) -> bool {
    match (value, dtype) {
        (Value::Null, _) | (Value::Bool(_), DataType::Boolean) | (Value::Text(_), DataType::String) => true,
        (Value::Text(text), dtype) if text::is_text(dtype) => {
            Patterns::default().read(dtype, &text.value()).is_some()
        }
        (Value::Number(number), DataType::Float64) => is_exact(number),
        // Polars rounds twice.
        (Value::Number(number), DataType::Float32) => {
            let rounded = (number.parse::<f32>(), number.parse::<f64>());
            is_exact(number)
                && matches!(rounded, (Ok(once), Ok(twice)) if once.is_finite() && twice as f32 == once)
        }
        (Value::Number(number), dtype) if dtype.is_integer() || matches!(dtype, DataType::Duration(_)) => {
            is_exact(number) && number.parse().is_ok_and(|number| fits(number, dtype))
        }
        _ => false,
    }
}

/// `true` if Polars can skip a value of an undeclared column.
fn can_be_skipped(value: Value<'_>) -> bool {
    match value {
        Value::Number(number) => is_exact(number),
        Value::Nested(json) => numbers_of(json).all(is_exact),
        _ => true,
    }
}

/// `true` if Polars reads a number as the same value.
fn is_exact(number: &str) -> bool {
    match number.contains(['.', 'e', 'E']) {
        true => number.parse::<f64>().is_ok_and(f64::is_finite),
        // Polars drops the sign of `-0`, and reads longer integers as other types.
        false => number != "-0" && (number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()),
    }
}

/// Returns the numbers in a list or an object.
fn numbers_of(json: &str) -> impl Iterator<Item = &str> {
    let in_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let (bytes, mut at) = (json.as_bytes(), 0);
    std::iter::from_fn(move || {
        loop {
            match bytes.get(at)? {
                b'"' => {
                    at += 1;
                    while *bytes.get(at)? != b'"' {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                }
                b'-' | b'0'..=b'9' => {
                    let start = at;
                    at += bytes[at..].iter().take_while(|byte| in_number(byte)).count();
                    return json.get(start..at);
                }
                _ => {}
            }
            at += 1;
        }
    })
}
