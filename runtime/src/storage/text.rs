//! Dates and times as text, in the formats that have no dtype for them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use polars::prelude::*;

use crate::dataset::{ColumnDef, Shape, days_of, micros_of, nanos_of};

/// How dates and times are written; `None` stands for ISO 8601.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    pub(super) date: Option<String>,
    pub(super) datetime: Option<String>,
    pub(super) time: Option<String>,
}

/// Whether values of `dtype` are read as text first.
pub(super) fn is_text(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Date | DataType::Datetime(..) | DataType::Time)
}

/// Turns a text column into the dates or times that it declares; what is not one makes the query fail.
pub(super) fn parsed(column: &ColumnDef, patterns: &Patterns) -> Expr {
    let (name, dtype) = (column.name, column.dtype.clone());
    let patterns = patterns.clone();
    let output = dtype.clone();
    col(name).map_with_fmt_str(
        move |texts| parse(name, texts, &dtype, &patterns),
        move |_, field| Ok(Field::new(field.name().clone(), output.clone())),
        "parse",
    )
}

fn parse(name: &str, texts: Column, dtype: &DataType, patterns: &Patterns) -> PolarsResult<Column> {
    let texts = texts.str()?;
    let numbers = match dtype {
        DataType::Date => {
            let days = collect(name, texts, "date", "2013-01-31", |text| date(text, patterns).map(days_of))?;
            Int32Chunked::from_iter_options(texts.name().clone(), days.into_iter()).into_series()
        }
        DataType::Time => numbers64(
            texts,
            collect(name, texts, "time", "23:59:59.5", |text| {
                time(text, patterns).and_then(|time| nanos_of(time).ok())
            })?,
        ),
        _ => numbers64(
            texts,
            collect(name, texts, "moment", "2013-01-31T23:59:59.5", |text| {
                moment(text, patterns).map(micros_of)
            })?,
        ),
    };
    Ok(numbers.cast(dtype)?.into_column())
}

fn numbers64(texts: &StringChunked, numbers: Vec<Option<i64>>) -> Series {
    Int64Chunked::from_iter_options(texts.name().clone(), numbers.into_iter()).into_series()
}

fn collect<N>(
    column: &str,
    texts: &StringChunked,
    what: &str,
    example: &str,
    parse: impl Fn(&str) -> Option<N>,
) -> PolarsResult<Vec<Option<N>>> {
    let mut numbers = Vec::with_capacity(texts.len());
    for text in texts.iter() {
        numbers.push(match text {
            None => None,
            Some(text) => Some(parse(text).ok_or_else(|| {
                polars_err!(ComputeError: "column `{column}`: `{text}` is not a {what}, expected the like of `{example}`")
            })?),
        });
    }
    Ok(numbers)
}

fn date(text: &str, patterns: &Patterns) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, patterns.date.as_deref().unwrap_or("%Y-%m-%d")).ok()
}

fn time(text: &str, patterns: &Patterns) -> Option<NaiveTime> {
    match &patterns.time {
        Some(pattern) => NaiveTime::parse_from_str(text, pattern).ok(),
        None => {
            ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|pattern| NaiveTime::parse_from_str(text, pattern).ok())
        }
    }
}

/// A moment with an offset is brought to UTC.
fn moment(text: &str, patterns: &Patterns) -> Option<NaiveDateTime> {
    const PATTERNS: [&str; 4] =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    match &patterns.datetime {
        Some(pattern) => NaiveDateTime::parse_from_str(text, pattern).ok(),
        None => PATTERNS
            .iter()
            .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
            .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.naive_utc())),
    }
}

/// No text format of Polars writes durations that it reads back, so they are written as microseconds.
pub(super) fn with_durations_as_numbers(query: LazyFrame, shape: &Shape) -> LazyFrame {
    let casts: Vec<_> = shape
        .columns
        .iter()
        .filter(|column| matches!(column.dtype, DataType::Duration(_)))
        .map(|column| col(column.name).strict_cast(DataType::Int64))
        .collect();
    if casts.is_empty() { query } else { query.with_columns(casts) }
}
