//! A walk over the columns of a row. It serves for the schema and for the conversions to and from a frame.
//!
//! The derive writes the walk once, so that a field of an unsupported type causes only one error.

use polars::prelude::{Column, DataFrame, PolarsError};

use super::contract::{ColumnDef, RowSchema};
use super::{DataError, Provenance, Row, Unrepresentable, Value, required};

/// A visitor of the columns of `R`, for [`Row::walk`].
pub trait Layout<R: Row>: Sized {
    /// The result of the walk.
    type Output;

    /// Visits the column `name`, whose values come from `field`. Returns the values to build rows from, if any.
    ///
    /// # Errors
    /// When a value does not fit into the column, or the column does not have the dtype or the nulls that the field
    /// allows.
    fn column<V: Value>(
        &mut self,
        name: &'static str,
        field: impl Fn(&R) -> &V,
    ) -> Result<std::vec::IntoIter<V>, DataError>;

    /// Ends the walk. `row` builds the next row from the values that [`column`](Self::column) returned.
    ///
    /// # Errors
    /// When the columns do not make a frame.
    fn finish(self, row: impl FnMut() -> Option<R>) -> Result<Self::Output, DataError>;
}

/// Lists the columns.
#[derive(Default)]
pub(super) struct Definitions(Vec<ColumnDef>);

impl<R: Row> Layout<R> for Definitions {
    type Output = Vec<ColumnDef>;

    fn column<V: Value>(
        &mut self,
        name: &'static str,
        _: impl Fn(&R) -> &V,
    ) -> Result<std::vec::IntoIter<V>, DataError> {
        self.0.push(ColumnDef::of::<V>(name));
        Ok(Vec::new().into_iter())
    }

    fn finish(self, _: impl FnMut() -> Option<R>) -> Result<Self::Output, DataError> {
        Ok(self.0)
    }
}

/// Makes a frame from rows.
pub(super) struct Writer<'a, R> {
    rows: &'a [R],
    columns: Vec<Column>,
}

impl<'a, R> Writer<'a, R> {
    pub(super) fn new(rows: &'a [R]) -> Self {
        Self { rows, columns: Vec::new() }
    }
}

impl<R: Row> Layout<R> for Writer<'_, R> {
    type Output = DataFrame;

    fn column<V: Value>(
        &mut self,
        name: &'static str,
        field: impl Fn(&R) -> &V,
    ) -> Result<std::vec::IntoIter<V>, DataError> {
        let values = self.rows.iter().map(|row| Some(field(row)));
        let series = V::encode(name.into(), values)
            .map_err(|(index, reason)| out_of_range::<R>(name, index, reason))?;
        self.columns.push(series.into());
        Ok(Vec::new().into_iter())
    }

    fn finish(self, _: impl FnMut() -> Option<R>) -> Result<Self::Output, DataError> {
        DataFrame::new(self.rows.len(), self.columns).map_err(query::<R>)
    }
}

/// Makes rows from a frame.
pub(super) struct Reader<'a>(&'a DataFrame);

impl<'a> Reader<'a> {
    /// Checks the frame first, so that all its mistakes are reported together.
    pub(super) fn new<R: Row>(frame: &'a DataFrame) -> Result<Self, DataError> {
        let shape = RowSchema::of::<R>();
        shape.check(frame.schema(), || Provenance::of(R::NAME))?;
        required::check(frame, &shape, || Provenance::of(R::NAME))?;
        Ok(Self(frame))
    }
}

impl<R: Row> Layout<R> for Reader<'_> {
    type Output = Vec<R>;

    fn column<V: Value>(
        &mut self,
        name: &'static str,
        _: impl Fn(&R) -> &V,
    ) -> Result<std::vec::IntoIter<V>, DataError> {
        let series = self.0.column(name).map_err(query::<R>)?.as_materialized_series();
        let value = V::decode(series).map_err(query::<R>)?;
        let values = (0..series.len()).map(|index| match value(index) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(DataError::Nulls {
                subject: Provenance::of(R::NAME).into(),
                columns: vec![(name.to_owned(), 1)],
                or_more: true,
            }),
            Err(reason) => Err(out_of_range::<R>(name, index, reason)),
        });
        Ok(values.collect::<Result<Vec<_>, _>>()?.into_iter())
    }

    fn finish(self, row: impl FnMut() -> Option<R>) -> Result<Self::Output, DataError> {
        Ok(std::iter::from_fn(row).take(self.0.height()).collect())
    }
}

fn out_of_range<R: Row>(column: &str, index: usize, reason: Unrepresentable) -> DataError {
    DataError::OutOfRange {
        subject: Provenance::of(R::NAME).into(),
        column: column.to_owned(),
        index: Some(index),
        reason: reason.reason(),
    }
}

fn query<R: Row>(source: PolarsError) -> DataError {
    DataError::Query { subject: Provenance::of(R::NAME).into(), reads: String::new(), source }
}
