//! What can go wrong with data.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{DataType, PolarsError};
use thiserror::Error;

use super::contract::Mismatch;

/// What is wrong with a dataset, a frame or a file.
///
/// Every message names the row type, and the column, the file and the factory where they are known.
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
        /// What was checked.
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
        /// Where the nulls are.
        subject: Box<Provenance>,
        /// The columns and how many nulls each holds.
        columns: Vec<(String, usize)>,
        /// Whether the query was ended at these, so that there may be more.
        or_more: bool,
    },

    /// A value lies outside what the other side can hold.
    #[error("{subject}: column `{column}`{}: {reason}", at_row(*index))]
    OutOfRange {
        /// What holds the value.
        subject: Box<Provenance>,
        /// The column of the value.
        column: String,
        /// The row of the value, counted from 0, if it is known.
        index: Option<usize>,
        /// What does not fit where.
        reason: String,
    },

    /// What a run has loaded is not there any more as it was.
    #[error("{subject}: {reason}")]
    Changed {
        /// What was loaded.
        subject: Box<Provenance>,
        /// Which file, who has changed it, and what to do.
        reason: String,
    },

    /// Polars could not compute the query.
    #[error("{subject} cannot be computed{reads}")]
    Query {
        /// What was to be computed.
        subject: Box<Provenance>,
        /// The files that the query reads, in a half sentence.
        reads: String,
        /// What Polars says.
        source: PolarsError,
    },

    /// The target cannot express some values.
    #[error("{subject} cannot be written to {place}: {}; {fix}", counted(columns, what))]
    NotRepresentable {
        /// What was to be written.
        subject: Box<Provenance>,
        /// Where it was to be written.
        place: String,
        /// The kind of value, in the singular.
        what: &'static str,
        /// The columns and how many such values each holds.
        columns: Vec<(String, usize)>,
        /// What can be done about it.
        fix: &'static str,
    },

    /// An option of a file cannot be used.
    #[error("{place}: {reason}")]
    BadOption {
        /// The file.
        place: String,
        /// What is wrong with the option.
        reason: String,
    },

    /// A file that must exist does not.
    #[error("{format} file {} does not exist{hint}", path.display())]
    NoFile {
        /// The format of the file.
        format: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// In which directory, a file of a similar name, or what to do.
        hint: String,
    },

    /// A file is not of the format it should be.
    #[error("{format} file {} cannot be read: {reason}", path.display())]
    BadFile {
        /// The format it should have.
        format: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as in “cannot create”.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// What a dataset is, for messages: its row type, where it was loaded from, and which factory delivered it.
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

    /// The name of the row type.
    pub fn row(&self) -> &str {
        self.row
    }

    /// Where the data was loaded from, as in `CSV file flights.csv`.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// The factory that delivered the data.
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

/// One mistake continues the line; several get a line each.
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

/// `` column `a` holds 2 nulls, column `b` holds 1 null ``
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

/// The name of a dtype as it is written in Rust.
pub(crate) fn dtype_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Datetime(unit, None) => format!("Datetime({unit:?}, None)"),
        DataType::Duration(unit) => format!("Duration({unit:?})"),
        other => format!("{other:?}"),
    }
}
