//! What the code that `#[derive(Row)]` writes calls. Not part of the public interface.

use polars::prelude::Column as PolarsColumn;
pub use polars::prelude::DataFrame;

use super::contract;
use super::{DataError, Provenance, Row, Unrepresentable, Value};

/// Collects the columns of a frame.
pub struct FrameWriter<'a, T> {
    rows: &'a [T],
    columns: Vec<PolarsColumn>,
}

impl<'a, T: Row> FrameWriter<'a, T> {
    pub fn new(rows: &'a [T]) -> Self {
        Self {
            rows,
            columns: Vec::new(),
        }
    }

    pub fn column<V: Value>(
        &mut self,
        name: &'static str,
        field: impl Fn(&'a T) -> &'a V,
    ) -> Result<(), DataError> {
        let values = self.rows.iter().map(|row| Some(field(row)));
        let series = V::encode(name.into(), values)
            .map_err(|(index, reason)| out_of_range::<T>(name, index, reason))?;
        self.columns.push(series.into());
        Ok(())
    }

    pub fn finish(self) -> Result<DataFrame, DataError> {
        DataFrame::new(self.rows.len(), self.columns).map_err(query::<T>)
    }
}

/// Reads the rows of a frame, after a check that it has the columns.
pub struct FrameReader<'a> {
    frame: &'a DataFrame,
}

impl<'a> FrameReader<'a> {
    pub fn new<T: Row>(frame: &'a DataFrame) -> Result<Self, DataError> {
        contract::check::<T>(frame.schema(), || Provenance::of(T::NAME))?;
        super::check_nulls::<T>(frame, || Provenance::of(T::NAME))?;
        Ok(Self { frame })
    }

    /// A function that gives the next value of the column at each call.
    pub fn column<T: Row, V: Value>(
        &self,
        name: &'static str,
    ) -> Result<impl FnMut() -> Result<V, DataError>, DataError> {
        let series = self
            .frame
            .column(name)
            .map_err(query::<T>)?
            .as_materialized_series();
        let values = V::decode(series).map_err(query::<T>)?;
        let mut next = 0;
        Ok(move || {
            let index = next;
            next += 1;
            match values(index) {
                Ok(Some(value)) => Ok(value),
                Ok(None) => Err(DataError::Nulls {
                    subject: Provenance::of(T::NAME),
                    columns: vec![(name.to_owned(), 1)],
                }),
                Err(reason) => Err(out_of_range::<T>(name, index, reason)),
            }
        })
    }

    pub fn rows<T>(&self, row: impl FnMut() -> Result<T, DataError>) -> Result<Vec<T>, DataError> {
        std::iter::repeat_with(row)
            .take(self.frame.height())
            .collect()
    }
}

fn out_of_range<T: Row>(column: &str, index: usize, reason: Unrepresentable) -> DataError {
    DataError::OutOfRange {
        subject: Provenance::of(T::NAME),
        column: column.to_owned(),
        index,
        reason: reason.reason(),
    }
}

fn query<T: Row>(source: polars::prelude::PolarsError) -> DataError {
    DataError::Query {
        subject: Provenance::of(T::NAME),
        source,
    }
}
