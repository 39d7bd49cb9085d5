//! Casts of columns that never lose a value silently.
//!
//! A strict cast of Polars fails where a value becomes null. It does not fail where a value changes: 2.7 becomes 2, and
//! 1e300 becomes infinity.

use chrono::{DateTime, NaiveDateTime, Utc};
use polars::prelude::*;

use super::{ColumnDef, days_of, micros_of, nanos_of};

/// The column with exactly this name. In contrast, `col` treats `*` and `^…$` as patterns.
pub(crate) fn named(name: &str) -> Expr {
    Expr::Column(name.into())
}

/// `true` if values of `from` can be cast at all. A list or a struct cannot be cast to text or to a number.
pub(crate) fn is_castable(from: &DataType, to: &DataType) -> bool {
    from == to || ((!from.is_nested() || to.is_nested()) && refusal(from, to).is_none())
}

/// The reason to refuse a cast that Polars would do, and the first step to take instead. Polars would cast the numbers by
/// which it stores categories, dates and times, whatever their unit.
pub(crate) fn refusal(from: &DataType, to: &DataType) -> Option<String> {
    let is_number = |dtype: &DataType| dtype.is_numeric() || dtype.is_bool();
    match (from, to) {
        (DataType::Categorical(..) | DataType::Enum(..), to) if !to.is_string() && from != to => {
            Some("a category is a text: cast it to one".to_owned())
        }
        (from, to) if is_number(from) && to.is_temporal() => {
            let unit = match to {
                DataType::Date => "days since 1970",
                DataType::Time => "nanoseconds since midnight",
                DataType::Duration(_) => "microseconds",
                _ => "microseconds since 1970",
            };
            Some(format!("a number does not say what it counts: make it {unit}"))
        }
        (from, to) if from.is_temporal() && is_number(to) => Some(
            "a number does not say what it counts: choose a unit, as with `.dt().timestamp(unit)`".to_owned(),
        ),
        _ => None,
    }
}

/// Casts `column` from its dtype to the declared dtype. A value that does not survive makes the query fail.
pub(crate) fn exact(column: &ColumnDef, from: &DataType) -> Expr {
    let (name, to) = (column.name, column.dtype.clone());
    if *from == to {
        return named(name);
    }
    if never_loses(from, &to) {
        return named(name).strict_cast(to);
    }
    let output = to.clone();
    named(name).map_with_fmt_str(
        move |values| cast(name, &values, &to),
        move |_, field| Ok(Field::new(field.name().clone(), output.clone())),
        "cast exactly",
    )
}

/// `true` if the cast keeps every value.
fn never_loses(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Boolean, Date, Datetime, Float32, Float64, Int8, Int16, Int32, Int64, Null, String, UInt8, UInt16,
        UInt32,
    };
    // Polars panics when it formats a date that no calendar has.
    let may_be_beyond = matches!(from, Date | Datetime(..));
    matches!(
        (from, to),
        (Null | Boolean, _)
            | (Float32 | Int32 | UInt32, Float64)
            | (Int8 | Int16 | UInt8 | UInt16, Float32 | Float64 | Int32 | Int64)
            | (Int32 | UInt32, Int64)
            | (Int8 | UInt8, Int16)
    ) || (*to == String && !may_be_beyond)
}

fn cast(name: &str, values: &Column, to: &DataType) -> PolarsResult<Column> {
    if values.dtype().is_string() && to.is_temporal() && !to.is_duration() {
        return parsed(name, values.str()?, to);
    }
    if to.is_string() {
        if let Some(index) = first_beyond(values)? {
            polars_bail!(
                InvalidOperation: "column `{name}`: {} is no date of the calendar, so that it is no text", shown(values, index)?
            );
        }
        return values.strict_cast(to);
    }
    let cast = values.cast(to)?;
    let Some(index) = first_lost(values, &cast)? else { return Ok(cast) };
    let (value, became) = (shown(values, index)?, shown(&cast, index)?);
    polars_bail!(
        InvalidOperation: "column `{name}`: {value} of {:?} does not survive the cast to {to:?}, it becomes {became}; \
         declare the field with the type of the column, or convert it in a query of your own",
        values.dtype()
    )
}

/// Formats a value for people. Polars panics at moments and dates that `chrono` does not support.
fn shown(values: &Column, index: usize) -> PolarsResult<String> {
    let physical = values.to_physical_repr();
    Ok(match (values.dtype(), physical.get(index)?) {
        (DataType::Datetime(unit, _), AnyValue::Int64(number)) => {
            let moment = moment_of(*unit, number);
            moment.map_or_else(|| format!("{number} {unit}"), |moment| moment.naive_utc().to_string())
        }
        (DataType::Date, number @ AnyValue::Int32(_)) => format!("{number} days after 1970"),
        (_, _) => values.get(index)?.to_string(),
    })
}

fn moment_of(unit: TimeUnit, number: i64) -> Option<DateTime<Utc>> {
    match unit {
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(number),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(number),
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(number)),
    }
}

/// The index of the first date or moment that `chrono` does not support.
fn first_beyond(values: &Column) -> PolarsResult<Option<usize>> {
    const SECONDS: i64 = 86_400;
    let numbers = values.to_physical_repr().cast(&DataType::Int64)?;
    let is_known = |number: i64| match values.dtype() {
        DataType::Datetime(unit, _) => moment_of(*unit, number).is_some(),
        _ => DateTime::from_timestamp(number.saturating_mul(SECONDS), 0).is_some(),
    };
    Ok(numbers.i64()?.iter().position(|number| number.is_some_and(|number| !is_known(number))))
}

/// The index of the first value that the cast changes.
fn first_lost(values: &Column, cast: &Column) -> PolarsResult<Option<usize>> {
    let (from, to) = (values.dtype(), cast.dtype());
    if cast.null_count() > values.null_count() {
        return Ok(first(&(cast.is_null() & values.is_not_null())));
    }
    let is_lost = match (from, to) {
        (from, to) if from.is_integer() && to.is_integer() => return Ok(None),
        // A rounded value still stands for the same number.
        (DataType::Float64, DataType::Float32) => {
            let mut pairs = values.f64()?.iter().zip(cast.f32()?.iter());
            return Ok(pairs.position(|pair| match pair {
                (Some(old), Some(new)) => {
                    (old.is_finite() && new.is_infinite()) || (old != 0.0 && new == 0.0)
                }
                _ => false,
            }));
        }
        (DataType::String, DataType::Float32 | DataType::Float64) => {
            let wide = cast.cast(&DataType::Float64)?;
            let mut pairs = values.str()?.iter().zip(wide.f64()?.iter());
            return Ok(pairs.position(|pair| match pair {
                (Some(text), Some(number)) => {
                    number.is_infinite() && !text.to_ascii_lowercase().contains("inf")
                }
                _ => false,
            }));
        }
        (DataType::String | DataType::Binary, _) => return Ok(None),
        // Digits below a microsecond are cut off. Files with 96-bit moments may hold moments beyond the range of
        // nanoseconds. The first or the last moment of that range stands for them.
        (DataType::Datetime(TimeUnit::Nanoseconds, _), DataType::Datetime(..))
        | (DataType::Duration(TimeUnit::Nanoseconds), DataType::Duration(_)) => {
            let ends = |value: Option<i64>| matches!(value, Some(i64::MIN | i64::MAX));
            return Ok(values.to_physical_repr().i64()?.iter().position(ends));
        }
        _ => cast.cast(from)?.not_equal_missing(values)?,
    };
    Ok(first(&is_lost))
}

fn first(mask: &BooleanChunked) -> Option<usize> {
    mask.iter().position(|is_it| is_it == Some(true))
}

/// Parses dates, times and moments from texts in ISO 8601. A moment with an offset is converted to UTC.
fn parsed(name: &str, texts: &StringChunked, to: &DataType) -> PolarsResult<Column> {
    let (unit, example, parse): (_, _, fn(&str) -> Option<i64>) = match to {
        DataType::Date => {
            (DataType::Int32, "2013-01-31", |text| Some(i64::from(days_of(text.parse().ok()?))))
        }
        DataType::Time => (DataType::Int64, "23:59:59.5", |text| nanos_of(text.parse().ok()?).ok()),
        _ => (DataType::Int64, "2013-01-31T23:59:59.5", |text| micros_of(moment(text)?).ok()),
    };
    let numbers = texts.iter().map(|text| match text {
        None => Ok(None),
        Some(text) => parse(text.trim()).map(Some).ok_or_else(
            || polars_err!(InvalidOperation: "column `{name}`: `{text}` is not of {to:?}, expected the like of `{example}`"),
        ),
    });
    let numbers: Int64Chunked = numbers.collect::<PolarsResult<Vec<_>>>()?.into_iter().collect();
    let of_text = match to {
        DataType::Datetime(..) => DataType::Datetime(TimeUnit::Microseconds, None),
        other => other.clone(),
    };
    let numbers = numbers.with_name(texts.name().clone()).into_series().cast(&unit)?;
    Ok(numbers.cast(&of_text)?.cast(to)?.into_column())
}

fn moment(text: &str) -> Option<NaiveDateTime> {
    const PATTERNS: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let text = text.replacen(' ', "T", 1);
    let plain = PATTERNS.iter().find_map(|pattern| NaiveDateTime::parse_from_str(&text, pattern).ok());
    let with_offset = || {
        let parsed = DateTime::parse_from_rfc3339(&text);
        parsed.or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z")).ok()
    };
    plain.or_else(|| Some(with_offset()?.naive_utc()))
}
