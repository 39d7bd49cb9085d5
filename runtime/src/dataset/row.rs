//! Rows: the Rust side of a schema.

use polars::prelude::{DataFrame, Schema, SchemaRef};

use super::layout::{Definitions, Layout, Reader, Writer};
use super::{ColumnDef, DataError};

/// A struct whose fields are the columns of a dataset.
///
/// `#[derive(Row)]` writes the schema, the conversions, and one typed [`Column`](super::Column) per field, with the name
/// of the field in capitals.
///
/// ```
/// use setl::Row;
///
/// #[derive(Row, Debug, PartialEq)]
/// #[row(rename_all = "camelCase")]
/// struct Flight {
///     carrier: String,
///     #[column("dep_delay")]
///     delay: Option<f64>,
///     tail_number: String,
/// }
///
/// assert_eq!(Flight::NAME, "Flight");
/// assert_eq!(Flight::DELAY.name(), "dep_delay");
/// assert_eq!(Flight::TAIL_NUMBER.name(), "tailNumber");
///
/// let rows = [Flight { carrier: "UA".into(), delay: None, tail_number: "N1".into() }];
/// let frame = Flight::to_frame(&rows)?;
/// assert_eq!(Flight::from_frame(&frame)?, rows);
/// # Ok::<(), setl::dataset::DataError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a row of a dataset",
    label = "not a row",
    note = "write `#[derive(Row)]` on the struct; its fields are the columns"
)]
pub trait Row: Sized + Send + Sync + 'static {
    /// The name of the struct, for messages.
    const NAME: &'static str;

    /// Visits every column in order, then ends the walk with a function that builds the next row.
    ///
    /// The derive writes this method. Call it only with a [`Layout`] of your own.
    ///
    /// ```
    /// use setl::dataset::{DataError, Layout, Row};
    ///
    /// struct Flight {
    ///     carrier: String,
    /// }
    ///
    /// impl Row for Flight {
    ///     const NAME: &'static str = "Flight";
    ///
    ///     fn walk<L: Layout<Self>>(mut layout: L) -> Result<L::Output, DataError> {
    ///         let mut carrier = layout.column("carrier", |row: &Self| &row.carrier)?;
    ///         layout.finish(move || Some(Self { carrier: carrier.next()? }))
    ///     }
    /// }
    ///
    /// assert_eq!(Flight::columns()[0].name, "carrier");
    /// ```
    ///
    /// # Errors
    /// The error of the layout.
    fn walk<L: Layout<Self>>(layout: L) -> Result<L::Output, DataError>;

    /// Returns the columns in the order of the fields.
    fn columns() -> Vec<ColumnDef> {
        // Listing the columns reads no value, so it cannot fail.
        Self::walk(Definitions::default()).unwrap_or_default()
    }

    /// Returns the columns as a Polars schema.
    ///
    /// ```
    /// use polars::prelude::DataType;
    /// use setl::Row;
    ///
    /// #[derive(Row)]
    /// struct Flight {
    ///     carrier: String,
    ///     delay: Option<f64>,
    /// }
    ///
    /// assert_eq!(Flight::schema().get("delay"), Some(&DataType::Float64));
    /// ```
    fn schema() -> SchemaRef {
        let columns = Self::columns().into_iter();
        Schema::from_iter(columns.map(|column| (column.name.into(), column.dtype))).into()
    }

    /// Makes a frame with one row per element. Its columns are those of [`columns`](Self::columns), in that order.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] when a value does not fit into the dtype of its column.
    fn to_frame(rows: &[Self]) -> Result<DataFrame, DataError> {
        Self::walk(Writer::new(rows))
    }

    /// Reads every row of a frame. Columns are found by name, so their order and further columns do not matter.
    ///
    /// # Errors
    /// [`DataError::Schema`] when a column is missing or has another dtype. [`DataError::Nulls`] when a column holds
    /// nulls and its field is not an `Option`. [`DataError::OutOfRange`] when a value does not fit into its field.
    fn from_frame(frame: &DataFrame) -> Result<Vec<Self>, DataError> {
        Self::walk(Reader::new::<Self>(frame)?)
    }
}
