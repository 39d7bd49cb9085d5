//! A node of a query that checks the promise of a dataset: no nulls, and no dates outside the range of their fields.
//!
//! A user's query that continues from a dataset has this node between itself and the data. The node checks the columns
//! that are read through it, batch by batch. It lets filters, projections and limits pass down to the data.
//!
//! A query that only counts rows reads no column. Polars then reads the column with the smallest dtype. So the node has a
//! column of its own, which tells whether a row holds a forbidden null. No other query computes it, and none returns it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::iter;
use std::sync::Arc;

use polars::prelude::{
    AllowedOptimizations, DataFrame, LazyFrame, OptFlags, PolarsError, PolarsResult, any_horizontal,
};
use polars_plan::dsl::DslPlan;
use polars_plan::dsl::{BooleanFunction, Expr, FunctionExpr};
use polars_plan::plans::{DslFunction, FunctionIR};

use super::cast::named;
use super::temporal::{beyond, is_limited};
use super::{DataError, Provenance, RowSchema};
use crate::storage::{Seen, reads_lines};

/// The prefix of the node's name. The rest distinguishes one check from another, also for Polars.
const NAME: &str = "CHECK no nulls in";
/// The prefix of the name of a node that also checks dates.
const NAME_WITH_DATES: &str = "CHECK dates";
/// The prefix of the name of a node that only checks that the loaded file has not changed.
const NAME_OF_FILE: &str = "CHECK unchanged since it was loaded";

/// `true` if a node of this name is such a check, which processes each row alone.
pub(super) fn is_check(name: &str) -> bool {
    [NAME, NAME_WITH_DATES, NAME_OF_FILE].iter().any(|start| name.starts_with(start)) || reads_lines(name)
}

/// A violation of the promise.
#[derive(Clone, Debug)]
enum Found {
    Nulls { subject: Provenance, columns: Vec<(String, usize)> },
    NullRows { subject: Provenance, columns: Vec<String>, rows: usize },
    Beyond { subject: Provenance, column: String, reason: String },
    Changed { subject: Provenance, reason: String },
}

impl From<Found> for DataError {
    fn from(found: Found) -> Self {
        match found {
            Found::Nulls { subject, columns } => {
                Self::Nulls { subject: subject.into(), columns, or_more: true }
            }
            Found::NullRows { subject, columns, rows } => {
                Self::NullRows { subject: subject.into(), columns, rows }
            }
            Found::Beyond { subject, column, reason } => {
                Self::OutOfRange { subject: subject.into(), column, index: None, reason }
            }
            Found::Changed { subject, reason } => Self::Changed { subject: subject.into(), reason },
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DataError::from(self.clone()).fmt(f)
    }
}

impl StdError for Found {}

/// The promise of a dataset about its columns.
struct Required {
    subject: Provenance,
    /// The columns that hold no nulls.
    whole: Vec<&'static str>,
    /// The columns whose values must be in the range of their fields.
    limited: Vec<&'static str>,
    /// The name of the column that is `true` in the rows with a forbidden null.
    broken: String,
    /// The file that must be as it was when it was loaded.
    seen: Option<Arc<Seen>>,
}

impl Required {
    fn of(shape: &RowSchema, subject: Provenance) -> Self {
        let columns = || shape.columns.iter();
        let whole = columns().filter(|column| !column.nullable).map(|column| column.name);
        let limited = columns().filter(|column| is_limited(&column.dtype)).map(|column| column.name);
        let mut broken = "broken".to_owned();
        while columns().any(|column| column.name == broken) {
            broken.push('_');
        }
        Self { subject, whole: whole.collect(), limited: limited.collect(), broken, seen: None }
    }

    /// Counts the nulls of a frame, which need not have all columns.
    fn nulls(&self, frame: &DataFrame) -> Vec<(String, usize)> {
        let columns =
            self.whole.iter().filter_map(|name| Some((*name, frame.column(name).ok()?.null_count())));
        columns.filter(|(_, nulls)| *nulls > 0).map(|(name, nulls)| (name.to_owned(), nulls)).collect()
    }

    /// Finds the first value of a frame that is outside the range of its field. Returns its column, its row and the
    /// reason.
    fn beyond(&self, frame: &DataFrame) -> Option<(String, usize, String)> {
        self.limited.iter().find_map(|name| {
            let (index, reason) = beyond(frame.column(name).ok()?)?;
            Some(((*name).to_owned(), index, reason.reason()))
        })
    }

    /// Counts the rows with a forbidden null, in a frame whose rows are only counted.
    fn broken_rows(&self, frame: &DataFrame) -> Option<usize> {
        let broken = frame.column(&self.broken).ok()?.bool().ok()?.sum()?;
        Some(broken as usize).filter(|rows| *rows > 0)
    }

    fn pass(&self, frame: DataFrame) -> PolarsResult<DataFrame> {
        let (subject, columns) = (self.subject.clone(), self.nulls(&frame));
        let found = if let Some(reason) = self.seen.as_ref().and_then(|seen| seen.change(false)) {
            Found::Changed { subject, reason }
        } else if !columns.is_empty() {
            Found::Nulls { subject, columns }
        } else if let Some(rows) = self.broken_rows(&frame) {
            let columns = self.whole.iter().map(ToString::to_string).collect();
            Found::NullRows { subject, columns, rows }
        } else if let Some((column, _, reason)) = self.beyond(&frame) {
            Found::Beyond { subject, column, reason }
        } else {
            return Ok(frame);
        };
        Err(PolarsError::from(io::Error::new(io::ErrorKind::InvalidData, found)))
    }

    /// Adds this check to a query as a node.
    fn on(self, frame: LazyFrame, shape: &RowSchema) -> LazyFrame {
        let (whole, subject) = (self.whole.join(", "), &self.subject);
        let name = match (&*whole, &*self.limited.join(", ")) {
            ("", "") if self.seen.is_none() => return frame,
            ("", "") => format!("{NAME_OF_FILE} of {subject}"),
            (_, "") => format!("{NAME} {whole} of {subject}"),
            ("", limited) => format!("{NAME_WITH_DATES} in {limited} of {subject}"),
            (_, limited) => format!("{NAME_WITH_DATES} in {limited}, no nulls in {whole} of {subject}"),
        };
        let name = self.seen.as_ref().map_or_else(|| name.clone(), |seen| name.clone() + &seen.suffix());
        let visible: Vec<_> = shape.columns.iter().map(|column| named(column.name)).collect();
        let is_null: Vec<_> = self.whole.iter().map(|name| named(name).is_null()).collect();
        let broken = any_horizontal(is_null).ok().map(|broken| broken.alias(self.broken.as_str()));
        let has_broken = broken.is_some();
        let frame = match broken {
            // Among columns of the same dtype, Polars reads the first.
            Some(broken) => {
                frame.select(iter::once(broken).chain(visible.iter().cloned()).collect::<Vec<_>>())
            }
            None => frame,
        };
        let passing = AllowedOptimizations::default() | OptFlags::STREAMING;
        let mut frame = frame.map(move |batch| self.pass(batch), passing, None, Some(NAME));
        if let DslPlan::MapFunction {
            function: DslFunction::FunctionIR(FunctionIR::Opaque { fmt_str, .. }),
            ..
        } = &mut frame.logical_plan
        {
            *fmt_str = name.into();
        }
        if has_broken { frame.select(visible) } else { frame }
    }
}

/// Adds a check of the promise of `shape` to a query.
pub(crate) fn keeping(
    frame: LazyFrame,
    shape: &RowSchema,
    subject: &Provenance,
    seen: Option<Arc<Seen>>,
) -> LazyFrame {
    Required { seen, ..Required::of(shape, subject.clone()) }.on(frame, shape)
}

/// Adds a check of only the ranges of values, for queries that count their nulls themselves.
pub(crate) fn within_range(
    frame: LazyFrame,
    shape: &RowSchema,
    subject: &Provenance,
    seen: Option<Arc<Seen>>,
) -> LazyFrame {
    Required { whole: Vec::new(), seen, ..Required::of(shape, subject.clone()) }.on(frame, shape)
}

/// Checks the result of a query.
pub(super) fn check(
    frame: &DataFrame,
    shape: &RowSchema,
    subject: impl FnOnce() -> Provenance,
) -> Result<(), DataError> {
    let required = Required::of(shape, Provenance::of(shape.row));
    let columns = required.nulls(frame);
    if !columns.is_empty() {
        return Err(DataError::Nulls { subject: subject().into(), columns, or_more: false });
    }
    match required.beyond(frame) {
        None => Ok(()),
        Some((column, index, reason)) => {
            Err(DataError::OutOfRange { subject: subject().into(), column, index: Some(index), reason })
        }
    }
}

/// `true` if a query is known to keep the promise, because it is a frame in memory.
pub(super) fn is_kept(frame: &LazyFrame, shape: &RowSchema) -> bool {
    let required = Required::of(shape, Provenance::of(shape.row));
    let mut plan = &frame.logical_plan;
    // A query whose schema was requested is wrapped.
    while let DslPlan::IR { dsl, .. } = plan {
        plan = dsl;
    }
    match plan {
        DslPlan::DataFrameScan { df, .. } => required.nulls(df).is_empty() && required.beyond(df).is_none(),
        _ => false,
    }
}

/// Returns the name of a node that is such a check, or that reads the lines of a file one by one. Nodes with the same
/// name are the same. Returns `None` for any other node.
pub(crate) fn check_of(plan: &DslPlan) -> Option<&str> {
    match plan {
        DslPlan::MapFunction {
            function: DslFunction::FunctionIR(FunctionIR::Opaque { fmt_str, .. }),
            ..
        } => Some(fmt_str.as_str()).filter(|name| is_check(name)),
        _ => None,
    }
}

/// `true` if the expression is the column of a check that tells which rows hold a forbidden null.
pub(crate) fn tells_nulls(expr: &Expr) -> bool {
    let any = FunctionExpr::Boolean(BooleanFunction::AnyHorizontal);
    matches!(expr, Expr::Alias(inner, _) if matches!(&**inner, Expr::Function { function, .. } if *function == any))
}

/// Returns the violation that such a check has found, if it is the cause of `error`.
pub(crate) fn found(error: &PolarsError) -> Option<DataError> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<Found>()) {
            return Some(found.clone().into());
        }
        next = error.source();
    }
    None
}
