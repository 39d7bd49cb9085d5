//! The 22 queries as they are written by hand: each by itself, in the order of joins that suits it.

mod q01_06;
mod q07_12;
mod q13_17;
mod q18_22;

use chrono::NaiveDate;
use polars::prelude::*;

pub use q01_06::{q01, q02, q03, q04, q05, q06, q06_between};
pub use q07_12::{q07, q08, q09, q10, q11, q12};
pub use q13_17::{q13, q14, q15, q16, q17};
pub use q18_22::{q18, q19, q20, q21, q22};

use crate::tables::Tables;

pub type Query = fn(&Tables) -> PolarsResult<LazyFrame>;

pub const QUERIES: [(&str, Query); 22] = [
    ("q01", q01),
    ("q02", q02),
    ("q03", q03),
    ("q04", q04),
    ("q05", q05),
    ("q06", q06),
    ("q07", q07),
    ("q08", q08),
    ("q09", q09),
    ("q10", q10),
    ("q11", q11),
    ("q12", q12),
    ("q13", q13),
    ("q14", q14),
    ("q15", q15),
    ("q16", q16),
    ("q17", q17),
    ("q18", q18),
    ("q19", q19),
    ("q20", q20),
    ("q21", q21),
    ("q22", q22),
];

/// A date as a literal of type Date. One of chrono's would be a Datetime, and the column be cast for each comparison.
pub fn date(year: i32, month: u32, day: u32) -> Expr {
    let day = NaiveDate::from_ymd_opt(year, month, day).expect("a date of the calendar");
    lit(Scalar::new(DataType::Date, AnyValue::Date(day.to_epoch_days())))
}

/// From `first` to the day before `end`.
pub fn between_dates(column: &str, first: Expr, end: Expr) -> Expr {
    col(column).gt_eq(first).and(col(column).lt(end))
}

pub fn one_of<const N: usize>(column: Expr, values: [&str; N]) -> Expr {
    column.is_in(lit(Series::new("values".into(), values)).implode(false), false)
}

pub fn revenue() -> Expr {
    col("l_extendedprice") * (lit(1.0) - col("l_discount"))
}

pub fn count() -> Expr {
    len().cast(DataType::Int64)
}

pub fn ascending() -> SortMultipleOptions {
    SortMultipleOptions::default()
}

pub fn ordered<const N: usize>(descending: [bool; N]) -> SortMultipleOptions {
    SortMultipleOptions::default().with_order_descending_multi(descending)
}
