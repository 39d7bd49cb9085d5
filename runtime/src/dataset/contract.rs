//! The check of a schema against the columns that a row declares.

use std::fmt;

use polars::prelude::{DataType, Schema};

use super::cast::refusal;
use super::error::dtype_name;
use super::{DataError, Provenance, Row};
use crate::base::names::nearest;

/// One column of a row: its name, its dtype, and whether it may hold nulls.
///
/// ```
/// use polars::prelude::DataType;
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     delay: Option<f64>,
/// }
///
/// let delay = &Flight::columns()[0];
/// assert_eq!((delay.name, &delay.dtype, delay.nullable), ("delay", &DataType::Float64, true));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColumnDef {
    /// The name of the column, which need not be the name of the field.
    pub name: &'static str,
    /// The Polars dtype of the column.
    pub dtype: DataType,
    /// Is set if the field is an `Option`.
    pub nullable: bool,
}

impl ColumnDef {
    /// Describes the column `name` of a field of type `V`.
    pub fn of<V: super::Value>(name: &'static str) -> Self {
        Self { name, dtype: V::dtype(), nullable: V::NULLABLE }
    }
}

/// The schema that a row declares, without its Rust type, as a [`Connector`](crate::storage::Connector) needs it.
///
/// ```
/// use setl::dataset::RowSchema;
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     delay: Option<f64>,
/// }
///
/// let shape = RowSchema::of::<Flight>();
/// assert_eq!((shape.row, shape.columns[0].name), ("Flight", "delay"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RowSchema {
    /// The name of the row type.
    pub row: &'static str,
    /// The columns, in order.
    pub columns: Vec<ColumnDef>,
}

impl RowSchema {
    /// Returns the shape of `T`.
    pub fn of<T: Row>() -> Self {
        Self { row: T::NAME, columns: T::columns() }
    }

    /// Returns the columns as a Polars schema.
    pub fn schema(&self) -> Schema {
        Schema::from_iter(self.columns.iter().map(|column| (column.name.into(), column.dtype.clone())))
    }

    /// Compares a schema with these columns. The order of the columns and further columns do not matter.
    ///
    /// # Errors
    /// [`DataError::Schema`] for `subject`, with every column that is missing or has another dtype.
    pub fn check(&self, found: &Schema, subject: impl FnOnce() -> Provenance) -> Result<(), DataError> {
        let mismatches: Vec<_> =
            self.columns.iter().filter_map(|column| self.mismatch(column, found)).collect();
        if mismatches.is_empty() {
            return Ok(());
        }
        Err(DataError::Schema { subject: subject().into(), mismatches })
    }

    fn mismatch(&self, column: &ColumnDef, found: &Schema) -> Option<Mismatch> {
        let Some(dtype) = found.get(column.name) else {
            return Some(self.missing(column, found));
        };
        (*dtype != column.dtype).then(|| Mismatch {
            column: column.name.to_owned(),
            expected: column.dtype.clone(),
            found: Some(dtype.clone()),
            fix: {
                let target = cast_target(&column.dtype);
                let cast =
                    format!("convert it with `col({:?}).strict_cast(DataType::{target})`", column.name);
                match refusal(dtype, &column.dtype) {
                    Some(first) => format!("{first}, and {cast}"),
                    None => format!("{cast}, or all columns with `Dataset::cast`"),
                }
            },
        })
    }

    fn missing(&self, column: &ColumnDef, found: &Schema) -> Mismatch {
        // A column that another field declares is no candidate.
        let free = found
            .iter_names()
            .map(|name| name.as_str())
            .filter(|name| self.columns.iter().all(|other| other.name != *name));
        let fix = match nearest(column.name, free) {
            Some(near) => {
                format!(", did you mean `{near}`? rename it, or write `#[column({near:?})]` on the field")
            }
            None => format!("; there is {}", names(found.iter_names().map(|name| name.as_str()))),
        };
        Mismatch { column: column.name.to_owned(), expected: column.dtype.clone(), found: None, fix }
    }
}

/// One difference between the columns of a frame and those that a row declares.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The declared column.
    pub column: String,
    /// The declared dtype.
    pub expected: DataType,
    /// The dtype that was found, or `None` if the column is missing.
    pub found: Option<DataType>,
    /// The fix.
    pub fix: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, expected, found, fix } = self;
        let expected = dtype_name(expected);
        match found {
            Some(found) => {
                write!(f, "column `{column}`: expected {expected}, found {}; {fix}", dtype_name(found))
            }
            None => write!(f, "column `{column}`: expected {expected}, but there is no such column{fix}"),
        }
    }
}

fn cast_target(dtype: &DataType) -> String {
    match dtype {
        DataType::Datetime(unit, None) => format!("Datetime(TimeUnit::{unit:?}, None)"),
        DataType::Duration(unit) => format!("Duration(TimeUnit::{unit:?})"),
        other => dtype_name(other),
    }
}

/// Formats `` `a`, `b` ``, shortened if there are many.
fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let count = names.len();
    if count == 0 {
        return "no column at all".to_owned();
    }
    let mut quoted: Vec<_> = names.take(SHOWN).map(|name| format!("`{name}`")).collect();
    if count > SHOWN {
        quoted.push(format!("and {} more", count - SHOWN));
    }
    quoted.join(", ")
}
