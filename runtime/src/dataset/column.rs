//! Typed columns, and the conditions made of them.

use std::fmt;
use std::marker::PhantomData;

use polars::prelude::{AnyValue, Expr, Literal, PlSmallStr, Scalar, Series, lit};

use super::cast::named;
use super::{Condition, Value};

/// A column of the row `R` whose values have the type `V`.
///
/// `#[derive(Row)]` creates one per field. Comparing it with a value of another type does not compile. A column of
/// `Option<f64>` is compared with `f64`. As in SQL, no comparison holds for a null: use [`is_null`](Self::is_null).
///
/// ```
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
/// }
///
/// let late = Flight::DELAY.gt(15.0) & !Flight::CARRIER.is_in(["UA", "DL"]);
/// assert_eq!(late.to_string(), r#"(delay > 15.0) and not (carrier in ["UA", "DL"])"#);
/// ```
///
/// ```compile_fail
/// # use setl::Row;
/// # #[derive(Row)]
/// # struct Flight { carrier: String }
/// Flight::CARRIER.gt(15.0); // text is not compared with a number
/// ```
pub struct Column<R, V> {
    name: &'static str,
    types: PhantomData<fn() -> (R, V)>,
}

impl<R, V> Column<R, V> {
    /// Creates the column `name`. Prefer the one from `#[derive(Row)]`.
    pub const fn new(name: &'static str) -> Self {
        Self { name, types: PhantomData }
    }

    /// Returns the name of the column, which need not be the name of the field.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the Polars expression of the column.
    ///
    /// ```
    /// # use setl::Row;
    /// # #[derive(Row)]
    /// # struct Flight { delay: Option<f64> }
    /// let mean = Flight::DELAY.col().mean().alias("mean_delay");
    /// ```
    pub fn col(self) -> Expr {
        named(self.name)
    }

    /// Holds where the column is null.
    pub fn is_null(self) -> Condition<R> {
        Condition::named(self.col().is_null(), format!("{} is null", self.name))
    }

    /// Holds where the column is not null.
    pub fn is_not_null(self) -> Condition<R> {
        Condition::named(self.col().is_not_null(), format!("{} is not null", self.name))
    }
}

impl<R, V: Value> Column<R, V> {
    /// Holds where the column equals `value`. NaN equals NaN, as everywhere in Polars.
    pub fn eq(self, value: impl Operand<V::Plain>) -> Condition<R> {
        self.compared("=", value, Expr::eq)
    }

    /// Holds where the column differs from `value` and is not null.
    pub fn neq(self, value: impl Operand<V::Plain>) -> Condition<R> {
        self.compared("!=", value, Expr::neq)
    }

    /// Holds where the column is greater than `value`. NaN is greater than every number.
    pub fn gt(self, value: impl Operand<V::Plain>) -> Condition<R> {
        self.compared(">", value, Expr::gt)
    }

    /// Holds where the column is `value` or greater.
    pub fn gt_eq(self, value: impl Operand<V::Plain>) -> Condition<R> {
        self.compared(">=", value, Expr::gt_eq)
    }

    /// Holds where the column is less than `value`.
    pub fn lt(self, value: impl Operand<V::Plain>) -> Condition<R> {
        self.compared("<", value, Expr::lt)
    }

    /// Holds where the column is `value` or less.
    pub fn lt_eq(self, value: impl Operand<V::Plain>) -> Condition<R> {
        self.compared("<=", value, Expr::lt_eq)
    }

    /// Holds where the column lies between `low` and `high`, both included.
    pub fn between(self, low: impl Operand<V::Plain>, high: impl Operand<V::Plain>) -> Condition<R> {
        let (low, high) = (low.operand(), high.operand());
        let text = format!("{} between {} and {}", self.name, low.text, high.text);
        Condition::named(self.col().gt_eq(low.expr).and(self.col().lt_eq(high.expr)), text)
    }

    /// Holds where the column equals one of `values`. It never holds if there are none.
    pub fn is_in<O: Operand<V::Plain>>(self, values: impl IntoIterator<Item = O>) -> Condition<R> {
        let values: Vec<_> = values.into_iter().map(|value| value.operand()).collect();
        let texts: Vec<_> = values.iter().map(|value| value.text.as_str()).collect();
        let text = format!("{} in [{}]", self.name, texts.join(", "));
        let scalars: Option<Vec<AnyValue<'static>>> =
            values.iter().map(|value| value.value.clone()).collect();
        let list = scalars.and_then(|scalars| {
            Series::from_any_values_and_dtype("".into(), &scalars, &V::dtype(), true).ok()
        });
        let expr = match list {
            Some(list) => self.col().is_in(lit(list).implode(true), false),
            // A value that no column can hold makes the query fail with an error that names it.
            None => values
                .into_iter()
                .map(|value| self.col().eq(value.expr))
                .reduce(Expr::or)
                .unwrap_or_else(|| lit(false)),
        };
        Condition::named(expr, text)
    }

    fn compared(
        self,
        sign: &str,
        value: impl Operand<V::Plain>,
        compare: impl FnOnce(Expr, Expr) -> Expr,
    ) -> Condition<R> {
        let value = value.operand();
        let text = format!("{} {sign} {}", self.name, value.text);
        Condition::named(compare(self.col(), value.expr), text)
    }
}

impl<R, V> Clone for Column<R, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, V> Copy for Column<R, V> {}

impl<R, V> fmt::Debug for Column<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({:?})", self.name)
    }
}

impl<R, V> fmt::Display for Column<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<R, V> From<Column<R, V>> for Expr {
    fn from(column: Column<R, V>) -> Self {
        column.col()
    }
}

impl<R, V> From<Column<R, V>> for PlSmallStr {
    fn from(column: Column<R, V>) -> Self {
        column.name.into()
    }
}

/// A value that a column of `V` can be compared with: a `V`, and for text also a `&str`.
#[diagnostic::on_unimplemented(
    message = "a column of `{V}` cannot be compared with `{Self}`",
    label = "not a `{V}`",
    note = "compare a column with a value of its own type; convert the value, or compare Polars expressions and wrap them in `Condition::new`"
)]
pub trait Operand<V> {
    #[doc(hidden)]
    fn operand(&self) -> Constant;
}

/// A value in the form that a query needs.
#[doc(hidden)]
#[derive(Debug)]
pub struct Constant {
    expr: Expr,
    /// `None` if the dtype cannot hold it.
    value: Option<AnyValue<'static>>,
    text: String,
}

impl<V: Value> Operand<V> for V {
    fn operand(&self) -> Constant {
        let value = V::encode(PlSmallStr::EMPTY, std::iter::once(Some(self)))
            .map_err(|(_, reason)| reason.reason())
            .and_then(|series| series.get(0).map(AnyValue::into_static).map_err(|error| error.to_string()));
        match value {
            Ok(value) => Constant {
                expr: Scalar::new(V::dtype(), value.clone()).lit(),
                text: value.to_string(),
                value: Some(value),
            },
            // The query fails at the cast of the reason, and the error quotes the reason.
            Err(reason) => {
                Constant { expr: lit(reason.clone()).strict_cast(V::dtype()), value: None, text: reason }
            }
        }
    }
}

impl Operand<String> for &str {
    fn operand(&self) -> Constant {
        (*self).to_owned().operand()
    }
}

impl Operand<String> for &String {
    fn operand(&self) -> Constant {
        (*self).clone().operand()
    }
}
