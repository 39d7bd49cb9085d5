//! The promise that columns hold no nulls, as a node of a query.
//!
//! A query of one's own that goes on from a dataset has this node between the data and itself. It looks at the columns that
//! are read through it, batch by batch, and lets conditions, choices of columns and limits pass down to the data.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use polars::prelude::{AllowedOptimizations, DataFrame, LazyFrame, OptFlags, PolarsError, PolarsResult};
use polars_plan::dsl::DslPlan;
use polars_plan::plans::{DslFunction, FunctionIR};

use super::{DataError, Provenance, Shape};
use crate::storage::reads_lines;

/// What the name of the node begins with. The rest of it tells one check from another, for Polars too.
const NAME: &str = "CHECK no nulls in";

/// Whether a node of this name is such a check, which looks at each row by itself.
pub(super) fn is_check(name: &str) -> bool {
    name.starts_with(NAME) || reads_lines(name)
}

/// Nulls that were found where none may be.
#[derive(Clone, Debug)]
struct NullsFound {
    subject: Provenance,
    columns: Vec<(String, usize)>,
}

impl From<NullsFound> for DataError {
    fn from(NullsFound { subject, columns }: NullsFound) -> Self {
        Self::Nulls { subject: subject.into(), columns, or_more: true }
    }
}

impl fmt::Display for NullsFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DataError::from(self.clone()).fmt(f)
    }
}

impl StdError for NullsFound {}

/// Columns that must not hold nulls, of a dataset.
struct Required {
    subject: Provenance,
    columns: Vec<&'static str>,
}

impl Required {
    fn of(shape: &Shape, subject: Provenance) -> Self {
        let columns = shape.columns.iter().filter(|column| !column.nullable).map(|column| column.name);
        Self { subject, columns: columns.collect() }
    }

    /// What is found in a frame, which need not have all columns.
    fn nulls(&self, frame: &DataFrame) -> Vec<(String, usize)> {
        let columns =
            self.columns.iter().filter_map(|name| Some((*name, frame.column(name).ok()?.null_count())));
        columns.filter(|(_, nulls)| *nulls > 0).map(|(name, nulls)| (name.to_owned(), nulls)).collect()
    }

    fn pass(&self, frame: DataFrame) -> PolarsResult<DataFrame> {
        let columns = self.nulls(&frame);
        if columns.is_empty() {
            return Ok(frame);
        }
        let found = NullsFound { subject: self.subject.clone(), columns };
        Err(PolarsError::from(io::Error::new(io::ErrorKind::InvalidData, found)))
    }
}

/// The query with the promise of `shape` kept in whatever is made of it.
pub(crate) fn keeping(frame: LazyFrame, shape: &Shape, subject: &Provenance) -> LazyFrame {
    let required = Required::of(shape, subject.clone());
    if required.columns.is_empty() {
        return frame;
    }
    let name = format!("{NAME} {} of {subject}", required.columns.join(", "));
    let passing = AllowedOptimizations::default() | OptFlags::STREAMING;
    let mut frame = frame.map(move |batch| required.pass(batch), passing, None, Some(NAME));
    if let DslPlan::MapFunction {
        function: DslFunction::FunctionIR(FunctionIR::Opaque { fmt_str, .. }),
        ..
    } = &mut frame.logical_plan
    {
        *fmt_str = name.into();
    }
    frame
}

/// Whether a query is known to keep the promise, because it is a frame in memory.
pub(super) fn is_kept(frame: &LazyFrame, shape: &Shape) -> bool {
    let required = Required::of(shape, Provenance::of(shape.row));
    let mut plan = &frame.logical_plan;
    // A query whose schema was asked for is wrapped.
    while let DslPlan::IR { dsl, .. } = plan {
        plan = dsl;
    }
    match plan {
        DslPlan::DataFrameScan { df, .. } => required.nulls(df).is_empty(),
        _ => false,
    }
}

/// The name of a node that is such a check, or that reads the lines of a file one by one: nodes with the same name are the same.
/// None if it is any other node.
#[cfg(feature = "optimize")]
pub(crate) fn check_of(plan: &DslPlan) -> Option<&str> {
    match plan {
        DslPlan::MapFunction {
            function: DslFunction::FunctionIR(FunctionIR::Opaque { fmt_str, .. }),
            ..
        } => Some(fmt_str.as_str()).filter(|name| is_check(name)),
        _ => None,
    }
}

/// What such a check has found, if the error of a query comes from one.
pub(crate) fn found(error: &PolarsError) -> Option<DataError> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<NullsFound>()) {
            return Some(found.clone().into());
        }
        next = error.source();
    }
    None
}
