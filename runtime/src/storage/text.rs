//! Conversion of dates and times to and from text, for formats without a dtype for them.

use std::fmt::{self, Write};
use std::io;

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use polars::prelude::*;

use crate::dataset::cast::named;
use crate::dataset::{ColumnDef, NANOS_PER_SECOND, RowSchema, days_of, micros_of, nanos_of};

/// The formats of dates and times. `None` means ISO 8601.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    pub(super) date: Option<String>,
    pub(super) datetime: Option<String>,
    pub(super) time: Option<String>,
}

/// A date with a time, all of whose parts are different.
const SAMPLE: NaiveDateTime = match NaiveDate::from_ymd_opt(2013, 1, 31) {
    Some(date) => match date.and_hms_opt(23, 59, 58) {
        Some(moment) => moment,
        None => NaiveDateTime::MIN,
    },
    None => NaiveDateTime::MIN,
};

impl Patterns {
    /// Describes the mistake in the patterns, if there is one.
    pub(super) fn mistake(&self) -> Option<String> {
        let patterns = [
            (&self.date, DataType::Date, "date"),
            (&self.datetime, DataType::Datetime(TimeUnit::Microseconds, None), "datetime"),
            (&self.time, DataType::Time, "time"),
        ];
        patterns.into_iter().find_map(|(pattern, dtype, what)| {
            let pattern = pattern.as_ref()?;
            let told = |reason: &str| Some(format!("the {what} format `{pattern}` {reason}"));
            if items(pattern).any(|item| item == Item::Error) {
                return told("is not in the notation of chrono");
            }
            if items(pattern).any(|item| item == Item::Fixed(Fixed::TimezoneName)) {
                return told(
                    "has `%Z`, the name of a time zone, which cannot be read: use `%z` for an offset, as in `+02:00`",
                );
            }
            let written = self.written(&dtype, SAMPLE);
            match written.and_then(|text| self.read(&dtype, &text)) {
                Some(_) => None,
                None => told(&format!("does not hold a whole {what}")),
            }
        })
    }

    fn of(&self, dtype: &DataType) -> Option<&str> {
        match dtype {
            DataType::Date => self.date.as_deref(),
            DataType::Time => self.time.as_deref(),
            _ => self.datetime.as_deref(),
        }
    }

    /// Returns the pattern for writing with Polars: a moment is in UTC, so its offset is zero.
    pub(super) fn to_write(&self, dtype: &DataType) -> Option<String> {
        let pattern = self.of(dtype)?;
        let zero = [
            ("%:::z", "+00"),
            ("%::z", "+00:00:00"),
            ("%:z", "+00:00"),
            ("%#z", "+00"),
            ("%z", "+0000"),
            ("%+", "%Y-%m-%dT%H:%M:%S%.f+00:00"),
        ];
        // `%%z` is a percent sign and a letter.
        let parts: Vec<_> = pattern
            .split("%%")
            .map(|part| zero.iter().fold(part.to_owned(), |part, (offset, zero)| part.replace(offset, zero)))
            .collect();
        Some(parts.join("%%"))
    }

    /// Formats a value with the pattern of its dtype.
    fn written(&self, dtype: &DataType, moment: NaiveDateTime) -> Option<String> {
        let pattern = self.to_write(dtype)?;
        let mut text = String::new();
        let written = match dtype {
            DataType::Date => write!(text, "{}", moment.date().format(&pattern)),
            DataType::Time => write!(text, "{}", moment.time().format(&pattern)),
            _ => write!(text, "{}", moment.format(&pattern)),
        };
        written.is_ok().then_some(text)
    }

    /// Parses a text to the number that represents its value in a column.
    pub(super) fn read(&self, dtype: &DataType, text: &str) -> Option<i64> {
        match dtype {
            DataType::Date => self.date(text).map(|date| days_of(date).into()),
            DataType::Time => self.time(text).and_then(|time| nanos_of(time).ok()),
            _ => micros_of(self.moment(text)?).ok(),
        }
    }

    /// Counts the values of a column that its pattern cannot represent, because they would not be read back as they were
    /// written.
    pub(super) fn lost(&self, series: &Series) -> usize {
        let dtype = series.dtype();
        if self.of(dtype).is_none() {
            return 0;
        }
        let Ok(numbers) = series.to_physical_repr().cast(&DataType::Int64) else { return 0 };
        let Ok(numbers) = numbers.i64() else { return 0 };
        let comes_back = |number: i64| {
            let moment = match dtype {
                DataType::Date => DateTime::from_timestamp(number.checked_mul(86_400)?, 0)?,
                DataType::Time => DateTime::from_timestamp_nanos(number),
                _ => DateTime::from_timestamp_micros(number)?,
            };
            let read = self.read(dtype, &self.written(dtype, moment.naive_utc())?)?;
            (read == number).then_some(())
        };
        numbers.iter().flatten().filter(|number| comes_back(*number).is_none()).count()
    }

    fn date(&self, text: &str) -> Option<NaiveDate> {
        let date = NaiveDate::parse_from_str(text, self.date.as_deref().unwrap_or("%Y-%m-%d")).ok()?;
        has_whole_year(date.year(), text).then_some(date)
    }

    fn time(&self, text: &str) -> Option<NaiveTime> {
        const PATTERNS: [&str; 2] = ["%H:%M:%S%.f", "%H:%M"];
        match &self.time {
            Some(pattern) => NaiveTime::parse_from_str(text, pattern).ok(),
            None => PATTERNS.iter().find_map(|pattern| NaiveTime::parse_from_str(text, pattern).ok()),
        }
    }

    /// Parses a moment. A moment with an offset is converted to UTC.
    fn moment(&self, text: &str) -> Option<NaiveDateTime> {
        const PATTERNS: [&str; 4] =
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        let utc = |pattern: &str| Some(DateTime::parse_from_str(text, pattern).ok()?.naive_utc());
        let (moment, written) = match &self.datetime {
            Some(pattern) if has_offset(pattern) => {
                (utc(pattern)?, DateTime::parse_from_str(text, pattern).ok()?.naive_local())
            }
            Some(pattern) => {
                let moment = NaiveDateTime::parse_from_str(text, pattern).ok()?;
                (moment, moment)
            }
            None => {
                let naive =
                    PATTERNS.iter().find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok());
                match naive {
                    Some(moment) => (moment, moment),
                    None => {
                        let moment = DateTime::parse_from_rfc3339(text).ok()?;
                        (moment.naive_utc(), moment.naive_local())
                    }
                }
            }
        };
        // `chrono` counts a leap second in the nanoseconds of the second before. A column cannot hold it.
        let leap = i64::from(moment.nanosecond()) >= NANOS_PER_SECOND;
        let epoch = self.datetime.as_deref().is_some_and(is_epoch);
        (!leap && (epoch || has_whole_year(written.year(), text))).then_some(moment)
    }
}

fn items(pattern: &str) -> StrftimeItems<'_> {
    StrftimeItems::new(pattern)
}

/// `true` if a pattern has an offset from UTC.
fn has_offset(pattern: &str) -> bool {
    items(pattern).any(|item| {
        matches!(
            item,
            Item::Fixed(
                Fixed::TimezoneOffset
                    | Fixed::TimezoneOffsetColon
                    | Fixed::TimezoneOffsetColonZ
                    | Fixed::TimezoneOffsetDoubleColon
                    | Fixed::TimezoneOffsetTripleColon
                    | Fixed::TimezoneOffsetZ
                    | Fixed::RFC2822
                    | Fixed::RFC3339
            )
        )
    }) || pattern.contains("%#z")
}

/// `true` if a pattern is a number of seconds.
fn is_epoch(pattern: &str) -> bool {
    items(pattern).any(|item| matches!(item, Item::Numeric(Numeric::Timestamp, _)))
}

/// `true` if the year of `text` is written in full. It refuses a year of this century that was written with two digits
/// and read as a year before 1000.
fn has_whole_year(year: i32, text: &str) -> bool {
    year.abs() >= 1000 || text.contains(&format!("{:04}", year.abs()))
}

/// `true` if values of `dtype` are read as text first.
pub(super) fn is_text(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Date | DataType::Datetime(..) | DataType::Time)
}

/// A value that does not have the declared type of its column.
#[derive(Clone, Debug)]
pub(crate) struct BadValue {
    /// The column. `None` if the line is not a row at all.
    pub(crate) column: Option<String>,
    pub(crate) value: String,
    /// The problem and its fix.
    pub(crate) reason: String,
    /// The line of the value, if it is known.
    pub(crate) line: Option<String>,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, value, reason, .. } = self;
        if let Some(column) = column {
            write!(f, "column `{}`: ", shortened(column))?;
        }
        if !value.is_empty() {
            write!(f, "`{}` ", shortened(value))?;
        }
        f.write_str(reason)
    }
}

impl std::error::Error for BadValue {}

impl From<BadValue> for PolarsError {
    fn from(value: BadValue) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, value).into()
    }
}

/// Puts the text on one line and cuts it to 80 characters.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    let plain = |text: &str| text.replace('\n', "\\n").replace('\r', "\\r").replace('\0', "\\0");
    match text.char_indices().nth(MOST) {
        None => plain(text),
        Some((end, _)) => plain(&text[..end]) + "…",
    }
}

/// Converts a text column to the declared dates or times. An invalid text makes the query fail.
pub(super) fn parsed(column: &ColumnDef, patterns: &Patterns) -> Expr {
    let (name, dtype) = (column.name, column.dtype.clone());
    let patterns = patterns.clone();
    let output = dtype.clone();
    named(name).map_with_fmt_str(
        move |texts| parse(name, &texts, &dtype, &patterns),
        move |_, field| Ok(Field::new(field.name().clone(), output.clone())),
        "setl: parse",
    )
}

fn parse(name: &str, texts: &Column, dtype: &DataType, patterns: &Patterns) -> PolarsResult<Column> {
    let texts = texts.str()?;
    let mut numbers = Vec::with_capacity(texts.len());
    for text in texts.iter() {
        numbers.push(match text {
            None => None,
            Some(text) => {
                Some(patterns.read(dtype, text).ok_or_else(|| not_a_date(name, text, dtype, patterns))?)
            }
        });
    }
    let name = texts.name().clone();
    let numbers = match dtype {
        DataType::Date => {
            // A number of days from `chrono` always fits.
            let days = numbers.into_iter().map(|days| days.and_then(|days| i32::try_from(days).ok()));
            Int32Chunked::from_iter_options(name, days).into_series()
        }
        _ => Int64Chunked::from_iter_options(name, numbers.into_iter()).into_series(),
    };
    Ok(numbers.cast(dtype)?.into_column())
}

/// Describes a text that is not a date or time in the format of `patterns`.
pub(super) fn not_a_date(name: &str, text: &str, dtype: &DataType, patterns: &Patterns) -> BadValue {
    let (what, iso, option) = match dtype {
        DataType::Date => ("date", "2013-01-31", "date_format"),
        DataType::Time => ("time", "23:59:58.5", "time_format"),
        _ => ("moment", "2013-01-31T23:59:58.5", "datetime_format"),
    };
    let reason = match patterns.of(dtype) {
        Some(pattern) => {
            let example = patterns.written(dtype, SAMPLE).unwrap_or_default();
            format!("is not a {what} in the format `{pattern}`, expected the like of `{example}`")
        }
        None => {
            format!(
                "is not a {what}, expected the like of `{iso}`; another notation is an option: `{option}`"
            )
        }
    };
    BadValue { column: Some(name.to_owned()), value: text.to_owned(), reason, line: None }
}

/// Converts durations to microseconds, because no text format of Polars writes durations that it reads back.
pub(super) fn with_durations_as_numbers(query: LazyFrame, shape: &RowSchema) -> LazyFrame {
    let casts: Vec<_> = shape
        .columns
        .iter()
        .filter(|column| matches!(column.dtype, DataType::Duration(_)))
        .map(|column| named(column.name).strict_cast(DataType::Int64))
        .collect();
    if casts.is_empty() { query } else { query.with_columns(casts) }
}
