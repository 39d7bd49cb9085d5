//! The errors of data.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{DataType, PolarsError};
use thiserror::Error;

use super::contract::Mismatch;

/// An error of a dataset, a frame or a file.
///
/// Every message names the row type. It also names the column, the file and the factory if they are known.
///
/// ```
/// use polars::prelude::*;
/// use setl::dataset::{DataError, Dataset};
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     delay: f64,
/// }
///
/// let frame = df!("delay" => ["12"])?;
/// let error = Dataset::<Flight>::try_from(frame).expect_err("text is not a number");
/// assert!(matches!(error, DataError::Schema { .. }));
/// assert!(error.to_string().starts_with("dataset of `Flight`: column `delay`: expected Float64, found String"));
/// # Ok::<(), PolarsError>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// Columns are missing or have another dtype than the row declares.
    #[error("{subject}: {}", listed(mismatches))]
    Schema {
        /// The data that was checked.
        subject: Box<Provenance>,
        /// Every column that differs.
        mismatches: Vec<Mismatch>,
    },

    /// Columns that the row declares without `Option` hold nulls.
    #[error(
        "{subject}: {}{}; drop or fill them, or declare the field as `Option`",
        counted(columns, "null"),
        if *or_more { " or more" } else { "" }
    )]
    Nulls {
        /// The data that holds the nulls.
        subject: Box<Provenance>,
        /// The columns, each with its number of nulls.
        columns: Vec<(String, usize)>,
        /// Is set if the query stopped at these nulls, so that there may be more.
        or_more: bool,
    },

    /// Rows that a query only counts hold nulls in columns that the row declares without `Option`.
    #[error(
        "{subject}: {rows} row{} or more hold{} a null in column `{}`; drop or fill them, or declare the field as `Option`",
        if *rows == 1 { "" } else { "s" },
        if *rows == 1 { "s" } else { "" },
        columns.join("` or `")
    )]
    NullRows {
        /// The data that holds the nulls.
        subject: Box<Provenance>,
        /// The columns without `Option`, at least one of which holds a null in each of the rows.
        columns: Vec<String>,
        /// The number of rows at which the query stopped, so that there may be more.
        rows: usize,
    },

    /// A value is outside the range of its column or field.
    #[error("{subject}: column `{column}`{}: {reason}", at_row(*index))]
    OutOfRange {
        /// The data that holds the value.
        subject: Box<Provenance>,
        /// The column of the value.
        column: String,
        /// The row of the value, counted from 0, if it is known.
        index: Option<usize>,
        /// The reason.
        reason: String,
    },

    /// A file that a run has loaded has changed or is missing.
    #[error("{subject}: {reason}")]
    Changed {
        /// The data that was loaded.
        subject: Box<Provenance>,
        /// The file, the cause of the change, and the fix.
        reason: String,
    },

    /// Polars could not compute the query.
    #[error("{subject} cannot be computed{reads}")]
    Query {
        /// The data that the query computes.
        subject: Box<Provenance>,
        /// The files that the query reads, as part of a sentence.
        reads: String,
        /// The error of Polars.
        source: PolarsError,
    },

    /// The target cannot represent some values.
    #[error("{subject} cannot be written to {place}: {}; {fix}", counted(columns, what))]
    NotRepresentable {
        /// The data to be written.
        subject: Box<Provenance>,
        /// The target.
        place: String,
        /// The kind of value, in the singular.
        what: &'static str,
        /// The columns, each with its number of such values.
        columns: Vec<(String, usize)>,
        /// The fix.
        fix: &'static str,
    },

    /// An option of a file cannot be used.
    #[error("{place}: {reason}")]
    BadOption {
        /// The file.
        place: String,
        /// The problem with the option.
        reason: String,
    },

    /// A required file does not exist.
    #[error("{format} file {} does not exist{hint}", path.display())]
    NoFile {
        /// The format of the file.
        format: &'static str,
        /// The path of the missing file.
        path: PathBuf,
        /// The working directory, a file of a similar name, or the fix.
        hint: String,
    },

    /// A file does not have the expected format.
    #[error("{format} file {} cannot be read: {reason}", path.display())]
    BadFile {
        /// The expected format.
        format: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },

    /// The operating system refused an operation.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The operation, as in “cannot create”.
        action: &'static str,
        /// The path of the operation.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// The origin of a dataset, for messages: its row type, the place that it was loaded from, and the factory that delivered
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    pub(crate) row: &'static str,
    pub(crate) place: Option<Arc<str>>,
    pub(crate) factory: Option<&'static str>,
}

impl Provenance {
    pub(crate) fn of(row: &'static str) -> Self {
        Self { row, place: None, factory: None }
    }

    pub(crate) fn at(row: &'static str, place: impl Into<Arc<str>>) -> Self {
        Self { row, place: Some(place.into()), factory: None }
    }

    /// Returns the name of the row type.
    pub fn row(&self) -> &str {
        self.row
    }

    /// Returns the place that the data was loaded from, as in `CSV file flights.csv`.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Returns the factory that delivered the data.
    pub fn factory(&self) -> Option<&str> {
        self.factory
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dataset of `{}`", self.row)?;
        if let Some(place) = &self.place {
            write!(f, " from {place}")?;
        }
        if let Some(factory) = self.factory {
            write!(f, " delivered by factory `{factory}`")?;
        }
        Ok(())
    }
}

/// Formats the row of an error, if it is known.
fn at_row(index: Option<usize>) -> String {
    index.map_or_else(String::new, |index| format!(", row {index}"))
}

fn listed(mismatches: &[Mismatch]) -> String {
    match mismatches {
        [only] => only.to_string(),
        several => {
            several.iter().fold(format!("{} columns differ from the row", several.len()), |text, one| {
                format!("{text}\n  {one}")
            })
        }
    }
}

/// Formats `` column `a` holds 2 nulls, column `b` holds 1 null ``.
fn counted(columns: &[(String, usize)], what: &str) -> String {
    let parts: Vec<_> = columns
        .iter()
        .map(|(column, count)| {
            let plural = if *count == 1 { "" } else { "s" };
            format!("column `{column}` holds {count} {what}{plural}")
        })
        .collect();
    parts.join(", ")
}

/// Returns the name of a dtype as it is written in Rust.
pub(crate) fn dtype_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Datetime(unit, None) => format!("Datetime({unit:?}, None)"),
        DataType::Duration(unit) => format!("Duration({unit:?})"),
        other => format!("{other:?}"),
    }
}
