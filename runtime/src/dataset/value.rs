//! The types of column values.

use polars::prelude::*;

/// A Rust type that a column can hold.
///
/// | Rust | Polars |
/// |---|---|
/// | `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64` | `Int8` … `UInt64` |
/// | `f32`, `f64` | `Float32`, `Float64` |
/// | `bool`, `String` | `Boolean`, `String` |
/// | `chrono::NaiveDate` | `Date` |
/// | `chrono::NaiveDateTime` | `Datetime(Microseconds, None)`: digits below 1 µs are cut off, a leap second is an error |
/// | `chrono::TimeDelta` | `Duration(Microseconds)`: digits below 1 µs are cut off |
/// | `chrono::NaiveTime` | `Time`, in nanoseconds; a leap second is an error |
/// | `Option` of any of these | the same, with nulls |
///
/// A type of your own can be a column if it is written as one of these:
///
/// ```
/// use polars::prelude::{DataType, PlSmallStr, PolarsResult, Series};
/// use setl::dataset::{Unrepresentable, Value};
/// use setl::Row;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Carrier(String);
///
/// impl Value for Carrier {
///     type Plain = Self;
///     fn dtype() -> DataType {
///         DataType::String
///     }
///     fn encode<'a>(name: PlSmallStr, values: impl Iterator<Item = Option<&'a Self>>) -> Result<Series, (usize, Unrepresentable)> {
///         String::encode(name, values.map(|value| value.map(|carrier| &carrier.0)))
///     }
///     fn decode(series: &Series) -> PolarsResult<impl Fn(usize) -> Result<Option<Self>, Unrepresentable>> {
///         let text = String::decode(series)?;
///         Ok(move |index| Ok(text(index)?.map(Carrier)))
///     }
/// }
///
/// #[derive(Row)]
/// struct Flight {
///     carrier: Carrier,
/// }
///
/// let frame = Flight::to_frame(&[Flight { carrier: Carrier("UA".into()) }])?;
/// assert_eq!(Flight::from_frame(&frame)?[0].carrier, Carrier("UA".into()));
/// # Ok::<(), setl::dataset::DataError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a column cannot hold values of type `{Self}`",
    label = "not a column type",
    note = "a column holds `i8` to `i64`, `u8` to `u64`, `f32`, `f64`, `bool`, `String`, `NaiveDate`, `NaiveDateTime`, `NaiveTime` or `TimeDelta` of chrono, or an `Option` of one of these",
    note = "`usize` and `isize` differ between machines: use `u64` and `i64`; borrowed text: use `String`; for a type of your own, implement `setl::dataset::Value`"
)]
pub trait Value: Sized + Send + Sync + 'static {
    /// The type that the column is compared with: the type itself, or the content of the `Option`.
    type Plain: Value;

    /// Is set if the column may hold nulls.
    const NULLABLE: bool = false;

    /// Returns the dtype of the column.
    fn dtype() -> DataType;

    /// Makes a series from the values. `None` becomes null.
    ///
    /// # Errors
    /// When the dtype cannot hold a value. The error has the index of the value.
    fn encode<'a>(
        name: PlSmallStr,
        values: impl Iterator<Item = Option<&'a Self>>,
    ) -> Result<Series, (usize, Unrepresentable)>;

    /// Reads a series. The returned function reads the value at an index, and a null as `None`.
    ///
    /// # Errors
    /// When the series has another dtype. The returned function fails when the type cannot hold the value.
    fn decode(series: &Series) -> PolarsResult<impl Fn(usize) -> Result<Option<Self>, Unrepresentable>>;
}

/// The reason why a value does not fit into a column, or why a value of a column does not fit into a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrepresentable(String);

impl Unrepresentable {
    /// Creates the reason. It names the value and the type, as in `1970-01-01 does not fit into a leap year`.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    pub(crate) fn reason(self) -> String {
        self.0
    }
}

/// A type that a column can hold without nulls: a [`Value`] that is no `Option`.
#[diagnostic::on_unimplemented(
    message = "a column cannot hold values of type `Option<{Self}>`",
    label = "not a column type",
    note = "a column has one kind of null, so an `Option` holds a type that is no `Option`",
    note = "a column holds `i8` to `i64`, `u8` to `u64`, `f32`, `f64`, `bool`, `String`, `NaiveDate`, `NaiveDateTime`, `NaiveTime` or `TimeDelta` of chrono, or an `Option` of one of these; for a type of your own, implement `setl::dataset::Value`"
)]
pub trait PlainValue: Value {}

#[diagnostic::do_not_recommend]
impl<V: Value<Plain = V>> PlainValue for V {}

impl<V: PlainValue> Value for Option<V> {
    type Plain = V;
    const NULLABLE: bool = true;

    fn dtype() -> DataType {
        V::dtype()
    }

    fn encode<'a>(
        name: PlSmallStr,
        values: impl Iterator<Item = Option<&'a Self>>,
    ) -> Result<Series, (usize, Unrepresentable)> {
        V::encode(name, values.map(|value| value.and_then(Option::as_ref)))
    }

    fn decode(series: &Series) -> PolarsResult<impl Fn(usize) -> Result<Option<Self>, Unrepresentable>> {
        let plain = V::decode(series)?;
        Ok(move |index| plain(index).map(Some))
    }
}

/// Implements `Value` for a type that Polars stores directly.
macro_rules! stored_as_is {
    ($($rust:ty => $dtype:ident, $array:ident, $accessor:ident;)*) => {$(
        impl Value for $rust {
            type Plain = Self;

            fn dtype() -> DataType {
                DataType::$dtype
            }

            fn encode<'a>(
                name: PlSmallStr,
                values: impl Iterator<Item = Option<&'a Self>>,
            ) -> Result<Series, (usize, Unrepresentable)> {
                Ok($array::from_iter_options(name, values.map(|value| value.copied())).into_series())
            }

            fn decode(series: &Series) -> PolarsResult<impl Fn(usize) -> Result<Option<Self>, Unrepresentable>> {
                // With a single chunk, access by index is a plain array access.
                let values = series.rechunk().$accessor()?.clone();
                Ok(move |index| Ok(values.get(index)))
            }
        }
    )*};
}

stored_as_is! {
    i8 => Int8, Int8Chunked, i8;
    i16 => Int16, Int16Chunked, i16;
    i32 => Int32, Int32Chunked, i32;
    i64 => Int64, Int64Chunked, i64;
    u8 => UInt8, UInt8Chunked, u8;
    u16 => UInt16, UInt16Chunked, u16;
    u32 => UInt32, UInt32Chunked, u32;
    u64 => UInt64, UInt64Chunked, u64;
    f32 => Float32, Float32Chunked, f32;
    f64 => Float64, Float64Chunked, f64;
    bool => Boolean, BooleanChunked, bool;
}

impl Value for String {
    type Plain = Self;

    fn dtype() -> DataType {
        DataType::String
    }

    fn encode<'a>(
        name: PlSmallStr,
        values: impl Iterator<Item = Option<&'a Self>>,
    ) -> Result<Series, (usize, Unrepresentable)> {
        Ok(StringChunked::from_iter_options(name, values.map(|value| value.map(String::as_str)))
            .into_series())
    }

    fn decode(series: &Series) -> PolarsResult<impl Fn(usize) -> Result<Option<Self>, Unrepresentable>> {
        let values = series.rechunk().str()?.clone();
        Ok(move |index| Ok(values.get(index).map(str::to_owned)))
    }
}
