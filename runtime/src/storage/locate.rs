//! The position in a file of a value that a query could not read.

use std::path::Path;

use polars::prelude::{CommentPrefix, CsvReadOptions, PolarsError};
use polars_plan::dsl::{DslPlan, FileScanDsl, ScanSourceRef};

use super::csv::check::{Check, Checked, Problem};
use super::csv::fields::Dialect;
use super::csv::records::{Records, column};
use super::csv::{CHECK_LINES, CHECK_LONG_LINES};
use super::ndjson::NO_SEPARATOR;
use super::ndjson::{CHECK_JSON, PARSE_JSON};
use super::text::{BadValue, shortened};

/// The maximum length of an error, in lines and in characters.
const MOST_LINES: usize = 20;
const MOST_LETTERS: usize = 4000;

/// Adds the file, the line and the column of the invalid value to the error of a query, if a text file has the value. The
/// files are read again.
pub(crate) fn located(plan: &DslPlan, error: PolarsError) -> PolarsError {
    let bad = bad_value(&error);
    let found = plan.into_iter().find_map(|plan| {
        let DslPlan::Scan { sources, scan_type, .. } = plan else { return None };
        let FileScanDsl::Csv { options } = &**scan_type else { return None };
        let parse = &options.parse_options;
        let names: Vec<String> =
            options.schema.iter().flat_map(|schema| schema.iter_names_cloned()).map(Into::into).collect();
        let dialect = Dialect {
            separator: parse.separator,
            quote: parse.quote_char,
            comment: parse.comment_prefix.as_ref().map(|prefix| match prefix {
                CommentPrefix::Single(byte) => vec![*byte],
                CommentPrefix::Multi(prefix) => prefix.as_bytes().to_vec(),
            }),
            header: options.has_header,
            skip_lines: options.skip_lines,
        };
        let check = Check { dialect: &dialect, width: names.len(), pads: true };
        let mut sources = sources.iter();
        sources.find_map(|source| match source {
            ScanSourceRef::Path(path) => {
                let records = Records::open(Path::new(path.as_str()), &dialect);
                let place = find(records, &check, &names, bad.as_ref());
                place.map(|place| format!("{} file {}, {place}", format_of(options), path.as_str()))
            }
            ScanSourceRef::Buffer(text) => {
                let place = find(Records::of_text(text, &dialect), &check, &names, bad.as_ref());
                place.map(|place| format!("CSV file, {place}"))
            }
            ScanSourceRef::File(_) => None,
        })
    });
    match (found, bad) {
        (Some(message), _) => PolarsError::ComputeError(message.into()),
        (None, Some(bad)) => PolarsError::ComputeError(bad.to_string().into()),
        (None, None) => bounded(error),
    }
}

/// Returns the format of a file that is read with these options.
pub(crate) fn format_of(options: &CsvReadOptions) -> &'static str {
    if options.parse_options.separator == NO_SEPARATOR { "NDJSON" } else { "CSV" }
}

/// Returns `true` if a node of this name reads the lines of a file one by one. Such a node is identified by its name and
/// the scan below it.
pub(crate) fn reads_lines(name: &str) -> bool {
    matches!(name, CHECK_LINES | CHECK_LONG_LINES | CHECK_JSON) || name.starts_with(PARSE_JSON)
}

/// Returns the files that a query reads, each with its format.
pub(crate) fn scanned(plan: &DslPlan) -> Vec<String> {
    let mut files = Vec::new();
    for plan in plan {
        let DslPlan::Scan { sources, scan_type, .. } = plan else { continue };
        let format = match &**scan_type {
            FileScanDsl::Csv { options } => format_of(options),
            FileScanDsl::NDJson { .. } => "NDJSON",
            FileScanDsl::Parquet { .. } => "Parquet",
            _ => "other",
        };
        for path in sources.as_paths().unwrap_or_default() {
            let file = format!("{format} file {}", path.as_str());
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files.reverse();
    files
}

/// Describes the first line with the value. If the value is unknown, describes the first invalid line.
fn find(
    records: Checked<Records<'_>>,
    check: &Check<'_>,
    names: &[String],
    bad: Option<&BadValue>,
) -> Option<String> {
    let searched = || -> Checked<Option<String>> {
        let mut records = records?;
        check.header(&mut records)?;
        let index = bad.map(|bad| names.iter().position(|name| Some(name) == bad.column.as_ref()));
        let whole_line = bad.and_then(|bad| bad.line.as_deref());
        if index == Some(None) && whole_line.is_none() {
            return Ok(None);
        }
        while records.next(names)? {
            let Some(bad) = bad else {
                if std::str::from_utf8(records.bytes()).is_err() {
                    return Err(records.not_utf8(names));
                }
                continue;
            };
            if let Some(line) = whole_line {
                if records.text() == line {
                    return Ok(Some(format!("line {}, {bad}", records.line)));
                }
                continue;
            }
            let Some(Some(index)) = index else { continue };
            let Some(field) = records.fields.get(index) else { continue };
            let value = field.value(records.bytes(), check.dialect.quote);
            if value == bad.value.as_bytes() || field.raw(records.bytes()) == bad.value.as_bytes() {
                let value = shortened(&String::from_utf8_lossy(&value));
                let (line, column) = (records.line, column(names, index));
                return Ok(Some(format!("line {line}, {column}: `{value}` {}", bad.reason)));
            }
        }
        Ok(None)
    };
    match searched() {
        Ok(found) => found,
        Err(Problem::Bad(reason)) => Some(reason),
        // The error of the query is reported instead.
        Err(Problem::Io(_)) => None,
    }
}

/// Returns the value that caused an error.
fn bad_value(error: &PolarsError) -> Option<BadValue> {
    match error {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => bad_value(error),
        PolarsError::IO { error, .. } => error.get_ref()?.downcast_ref::<BadValue>().cloned(),
        PolarsError::ComputeError(message) => not_parsed(message),
        _ => None,
    }
}

/// Parses the message of Polars, which is the only source of the value.
fn not_parsed(message: &str) -> Option<BadValue> {
    let (_, rest) = message.split_once("could not parse `")?;
    let (value, rest) = rest.split_once("` as dtype `")?;
    let (dtype, rest) = rest.split_once("` at column '")?;
    let (column, _) = rest.split_once("' (column number ")?;
    let what = match dtype {
        "bool" => "is not `true` or `false`".to_owned(),
        dtype => format!("is not a number of type {dtype}"),
    };
    let reason = format!(
        "{what}; correct it, declare the field as `String`, or, if it stands for a missing value, add it to `null_values`"
    );
    Some(BadValue { column: Some(column.to_owned()), value: value.to_owned(), reason, line: None })
}

/// The same error without the errors around it, each of which repeats its text.
fn without_contexts(error: PolarsError) -> PolarsError {
    match error {
        PolarsError::ExprContext { error, .. } => without_contexts(*error),
        PolarsError::Context { error, msg } => {
            without_contexts(*error).wrap_msg(|text| format!("{text}: {msg}"))
        }
        other => other,
    }
}

/// Shortens an error of Polars, so that it fits on a screen.
fn bounded(error: PolarsError) -> PolarsError {
    let error = without_contexts(error);
    let text = error.to_string();
    if text.lines().count() <= MOST_LINES && text.chars().count() <= MOST_LETTERS {
        return error;
    }
    let mut lines: Vec<String> =
        text.lines().take(MOST_LINES - 1).map(|line| line.chars().take(200).collect()).collect();
    lines.push("…".to_owned());
    PolarsError::ComputeError(lines.join("\n").into())
}
