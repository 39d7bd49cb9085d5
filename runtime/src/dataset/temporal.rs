//! Dates and times: `chrono` in rows, integers since the epoch in columns.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use polars::prelude::*;

use super::{Unrepresentable, Value};

const EPOCH: NaiveDate = match NaiveDate::from_ymd_opt(1970, 1, 1) {
    Some(epoch) => epoch,
    None => NaiveDate::MIN,
};
pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;

pub(crate) fn days_of(date: NaiveDate) -> i32 {
    // The years that `chrono` supports span fewer than 2^31 days.
    date.signed_duration_since(EPOCH).num_days() as i32
}

fn date_of(days: i32) -> Result<NaiveDate, Unrepresentable> {
    EPOCH.checked_add_signed(TimeDelta::days(days.into())).ok_or_else(|| {
        Unrepresentable::new(format!("{days} days since 1970-01-01 do not fit into a `NaiveDate`"))
    })
}

pub(crate) fn micros_of(moment: NaiveDateTime) -> Result<i64, Unrepresentable> {
    if is_leap(&moment) {
        return Err(Unrepresentable::new(format!(
            "the leap second {moment} does not fit into a Datetime column, in which it is the second after it"
        )));
    }
    Ok(moment.and_utc().timestamp_micros())
}

/// `true` for a leap second, which `chrono` counts in the nanoseconds of the second before.
fn is_leap(time: &impl Timelike) -> bool {
    i64::from(time.nanosecond()) >= NANOS_PER_SECOND
}

fn moment_of(micros: i64) -> Result<NaiveDateTime, Unrepresentable> {
    DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc()).ok_or_else(|| {
        Unrepresentable::new(format!(
            "{micros} microseconds since 1970-01-01 do not fit into a `NaiveDateTime`"
        ))
    })
}

pub(crate) fn nanos_of(time: NaiveTime) -> Result<i64, Unrepresentable> {
    if is_leap(&time) {
        return Err(Unrepresentable::new(format!("the leap second {time} does not fit into a Time column")));
    }
    Ok(i64::from(time.num_seconds_from_midnight()) * NANOS_PER_SECOND + i64::from(time.nanosecond()))
}

fn time_of(nanos: i64) -> Result<NaiveTime, Unrepresentable> {
    u32::try_from(nanos.div_euclid(NANOS_PER_SECOND))
        .ok()
        .and_then(|seconds| {
            NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos.rem_euclid(NANOS_PER_SECOND) as u32)
        })
        .ok_or_else(|| {
            Unrepresentable::new(format!("{nanos} nanoseconds since midnight do not fit into a `NaiveTime`"))
        })
}

fn delta_micros(delta: TimeDelta) -> Result<i64, Unrepresentable> {
    delta.num_microseconds().ok_or_else(|| {
        Unrepresentable::new(format!("{delta} does not fit into a Duration column of microseconds"))
    })
}

/// `true` if a column of this dtype can hold values that no field holds, because the range of Polars is wider than that
/// of `chrono`.
pub(super) fn is_limited(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Date | DataType::Time | DataType::Datetime(TimeUnit::Microseconds, _))
}

/// Finds the first value of a column that no field holds. Returns its index and the reason.
pub(super) fn beyond(column: &Column) -> Option<(usize, Unrepresentable)> {
    let objection: fn(i64) -> Option<Unrepresentable> = match column.dtype() {
        DataType::Date => |days| date_of(days as i32).err(),
        DataType::Time => |nanos| time_of(nanos).err(),
        DataType::Datetime(TimeUnit::Microseconds, _) => |micros| moment_of(micros).err(),
        _ => return None,
    };
    let numbers = column.to_physical_repr();
    let ends = match numbers.i32() {
        Ok(days) => days.min_max().map(|(first, last)| [first, last].map(i64::from)),
        Err(_) => numbers.i64().ok()?.min_max().map(<[i64; 2]>::from),
    };
    // All values between two supported values are supported, too.
    if ends.into_iter().flatten().all(|end| objection(end).is_none()) {
        return None;
    }
    let numbers = numbers.cast(&DataType::Int64).ok()?;
    let numbers = numbers.i64().ok()?;
    numbers.iter().enumerate().find_map(|(index, number)| Some((index, objection(number?)?)))
}

/// Implements `Value` for a type that Polars stores as a number of days, microseconds or nanoseconds.
macro_rules! stored_as_number {
    ($($rust:ty => $dtype:expr, $array:ident, $accessor:ident, $to:expr, $from:expr;)*) => {$(
        impl Value for $rust {
            type Plain = Self;

            fn dtype() -> DataType {
                $dtype
            }

            fn encode<'a>(
                name: PlSmallStr,
                values: impl Iterator<Item = Option<&'a Self>>,
            ) -> Result<Series, (usize, Unrepresentable)> {
                let numbers = values
                    .enumerate()
                    .map(|(index, value)| value.map(|value| $to(*value)).transpose().map_err(|reason| (index, reason)))
                    .collect::<Result<Vec<_>, _>>()?;
                let numbers = $array::from_iter_options(name, numbers.into_iter()).into_series();
                numbers
                    .cast(&Self::dtype())
                    .map_err(|error| (0, Unrepresentable::new(error.to_string())))
            }

            fn decode(series: &Series) -> PolarsResult<impl Fn(usize) -> Result<Option<Self>, Unrepresentable>> {
                polars_ensure!(
                    series.dtype() == &Self::dtype(),
                    SchemaMismatch: "expected {}, found {}", Self::dtype(), series.dtype()
                );
                let numbers = series.rechunk().to_physical_repr().$accessor()?.clone();
                Ok(move |index| numbers.get(index).map($from).transpose())
            }
        }
    )*};
}

stored_as_number! {
    NaiveDate => DataType::Date, Int32Chunked, i32, |date| Ok(days_of(date)), date_of;
    NaiveDateTime => DataType::Datetime(TimeUnit::Microseconds, None), Int64Chunked, i64, micros_of, moment_of;
    TimeDelta => DataType::Duration(TimeUnit::Microseconds), Int64Chunked, i64, delta_micros, |micros| Ok(TimeDelta::microseconds(micros));
    NaiveTime => DataType::Time, Int64Chunked, i64, nanos_of, time_of;
}
