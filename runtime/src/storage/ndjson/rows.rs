//! Conversion of JSON lines to the columns that a row declares.

use std::sync::Arc;

use polars::prelude::*;
use polars_plan::dsl::DslPlan;
use polars_plan::plans::{DslFunction, FunctionIR};

use super::json::{NotJson, Value, members};
use crate::dataset::ColumnDef;
use crate::storage::text::{self, BadValue, Patterns};

/// The name of the column that holds the lines.
pub(super) const LINE: &str = "line";
/// A separator that no UTF-8 text contains, so that each line is a single field.
pub(crate) const NO_SEPARATOR: u8 = 0xff;
/// The prefix of the name in plans of the node that converts lines to rows.
pub(crate) const PARSE_JSON: &str = "parse JSON: ";

/// Converts a query of lines to a query of rows. An empty line is not a row.
pub(super) fn parsed(lines: LazyFrame, columns: &[ColumnDef]) -> LazyFrame {
    let columns: Arc<[ColumnDef]> = columns.into();
    let schema: SchemaRef =
        Arc::new(columns.iter().map(|column| (column.name.into(), column.dtype.clone())).collect());
    // Plans of the same file are equal if they produce the same columns.
    let listed: Vec<_> = columns.iter().map(|column| format!("{} {:?}", column.name, column.dtype)).collect();
    let function = FunctionIR::Opaque {
        function: Arc::new(move |lines: DataFrame| rows(&lines, &columns)),
        schema: Some(Arc::new(move |_: &Schema| Ok(Arc::clone(&schema)))),
        predicate_pd: false,
        projection_pd: false,
        streamable: true,
        fmt_str: format!("{PARSE_JSON}{}", listed.join(", ")).into(),
    };
    DslPlan::MapFunction { input: Arc::new(lines.logical_plan), function: DslFunction::FunctionIR(function) }
        .into()
}

fn rows(lines: &DataFrame, columns: &[ColumnDef]) -> PolarsResult<DataFrame> {
    let lines = lines.column(LINE)?.str()?;
    let mut builders: Vec<_> = columns.iter().map(|column| Builder::new(column, lines.len())).collect();
    let mut found = vec![false; columns.len()];
    let mut count = 0;
    for line in lines.iter().flatten() {
        if line.trim().is_empty() {
            continue;
        }
        found.fill(false);
        let member = |key: super::json::Text<'_>, value| {
            let key = key.value();
            let Some(index) = columns.iter().position(|column| column.name == key) else { return Ok(()) };
            if std::mem::replace(&mut found[index], true) {
                return Err(Fault::Value(
                    Some(&columns[index]),
                    String::new(),
                    "the key is there twice".to_owned(),
                ));
            }
            builders[index].push(&columns[index], value)
        };
        members(line, member).map_err(|fault| fault.of(line))?;
        for (builder, found) in builders.iter_mut().zip(&found) {
            if !found {
                builder.push_null();
            }
        }
        count += 1;
    }
    let columns = builders.into_iter().zip(columns).map(|(builder, column)| builder.finish(column));
    DataFrame::new(count, columns.collect::<PolarsResult<Vec<_>>>()?)
}

/// An error of a line.
enum Fault<'a> {
    NotJson(NotJson),
    /// The column, its value, and the reason.
    Value(Option<&'a ColumnDef>, String, String),
}

impl From<NotJson> for Fault<'_> {
    fn from(fault: NotJson) -> Self {
        Self::NotJson(fault)
    }
}

impl Fault<'_> {
    fn of(self, line: &str) -> PolarsError {
        let (column, value, reason) = match self {
            Self::NotJson(fault) => {
                let (value, reason) = not_json(line, fault);
                (None, value, reason)
            }
            Self::Value(column, value, reason) => {
                (column.map(|column| column.name.to_owned()), value, reason)
            }
        };
        BadValue { column, value, reason, line: Some(line.to_owned()) }.into()
    }
}

/// Returns the rest of the line, and the description of the error.
pub(super) fn not_json(line: &str, fault: NotJson) -> (String, String) {
    let rest = line.get(fault.at..).unwrap_or_default();
    if rest.is_empty() {
        return (line.to_owned(), format!("ends where {} was expected", fault.what));
    }
    (rest.to_owned(), format!("stands where {} was expected", fault.what))
}

/// The values of a column that are collected so far.
enum Builder {
    Signed(Vec<Option<i64>>),
    Unsigned(Vec<Option<u64>>),
    Float(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
    Text(StringChunkedBuilder),
}

impl Builder {
    fn new(column: &ColumnDef, rows: usize) -> Self {
        match &column.dtype {
            DataType::Float32 | DataType::Float64 => Self::Float(Vec::with_capacity(rows)),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
                Self::Unsigned(Vec::with_capacity(rows))
            }
            DataType::Boolean => Self::Bool(Vec::with_capacity(rows)),
            DataType::String => Self::Text(StringChunkedBuilder::new(column.name.into(), rows)),
            _ => Self::Signed(Vec::with_capacity(rows)),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Signed(values) => values.push(None),
            Self::Unsigned(values) => values.push(None),
            Self::Float(values) => values.push(None),
            Self::Bool(values) => values.push(None),
            Self::Text(values) => values.append_null(),
        }
    }

    fn push<'a>(&mut self, column: &'a ColumnDef, value: Value<'_>) -> Result<(), Fault<'a>> {
        let bad = |reason: String| {
            let shown = match value {
                Value::Text(text) => text.value().into_owned(),
                other => other.json().to_owned(),
            };
            Err(Fault::Value(Some(column), shown, reason))
        };
        let dtype = &column.dtype;
        match (self, value) {
            (this, Value::Null) => this.push_null(),
            (Self::Text(values), Value::Text(text)) => values.append_value(text.value()),
            (Self::Text(values), other) => values.append_value(other.json()),
            (Self::Bool(values), Value::Bool(value)) => values.push(Some(value)),
            (Self::Bool(_), _) => return bad("is not `true` or `false`".to_owned()),
            (Self::Signed(values), Value::Text(text)) if text::is_text(dtype) => {
                let patterns = Patterns::default();
                match patterns.read(dtype, &text.value()) {
                    Some(number) => values.push(Some(number)),
                    None => {
                        let bad = text::not_a_date(column.name, &text.value(), dtype, &patterns);
                        return Err(Fault::Value(Some(column), bad.value, bad.reason));
                    }
                }
            }
            (Self::Signed(_), _) if text::is_text(dtype) => {
                return bad("is not a text with a date or time, as in `2013-01-31`".to_owned());
            }
            (Self::Signed(values), Value::Number(number)) => match whole(number) {
                Some(number) if fits(number, dtype) => values.push(i64::try_from(number).ok()),
                Some(_) => return bad(format!("is out of the range of {dtype:?}")),
                None => return bad("is not a whole number".to_owned()),
            },
            (Self::Unsigned(values), Value::Number(number)) => match whole(number) {
                Some(number) if fits(number, dtype) => values.push(u64::try_from(number).ok()),
                Some(_) => return bad(format!("is out of the range of {dtype:?}")),
                None => return bad("is not a whole number".to_owned()),
            },
            (Self::Float(values), Value::Number(number)) => {
                let float = match dtype {
                    DataType::Float32 => number.parse::<f32>().ok().map(f64::from),
                    _ => number.parse::<f64>().ok(),
                };
                match float.filter(|float| float.is_finite()) {
                    Some(float) => values.push(Some(float)),
                    None => return bad(format!("is too large for {dtype:?}")),
                }
            }
            (Self::Signed(_) | Self::Unsigned(_) | Self::Float(_), _) => {
                return bad(format!("is not a number of type {dtype:?}"));
            }
        }
        Ok(())
    }

    fn finish(self, column: &ColumnDef) -> PolarsResult<Column> {
        let name = PlSmallStr::from_static(column.name);
        let series = match self {
            Self::Signed(values) if column.dtype == DataType::Date => {
                let days = values.into_iter().map(|days| days.and_then(|days| i32::try_from(days).ok()));
                Int32Chunked::from_iter_options(name, days).into_series()
            }
            Self::Signed(values) => Int64Chunked::from_iter_options(name, values.into_iter()).into_series(),
            Self::Unsigned(values) => {
                UInt64Chunked::from_iter_options(name, values.into_iter()).into_series()
            }
            Self::Float(values) => Float64Chunked::from_iter_options(name, values.into_iter()).into_series(),
            Self::Bool(values) => BooleanChunked::from_iter_options(name, values.into_iter()).into_series(),
            Self::Text(values) => values.finish().into_series(),
        };
        Ok(series.strict_cast(&column.dtype)?.into_column())
    }
}

/// Parses a whole number, also in a form such as `1.0` or `1e3`.
fn whole(number: &str) -> Option<i128> {
    if let Ok(number) = number.parse() {
        return Some(number);
    }
    if !number.contains(['.', 'e', 'E']) {
        // The number has more digits than any column holds.
        return Some(i128::MAX);
    }
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float: f64 = number.parse().ok()?;
    (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i128)
}

pub(super) fn fits(number: i128, dtype: &DataType) -> bool {
    let (least, most): (i128, i128) = match dtype {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::UInt64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    };
    (least..=most).contains(&number)
}
