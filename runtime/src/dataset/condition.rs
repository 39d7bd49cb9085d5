//! Conditions that select rows.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{BitAnd, BitOr, Not};

use polars::prelude::Expr;

/// A condition on rows of `R`. Comparing a [`Column`](super::Column) creates one.
///
/// Conditions combine with `&`, `|` and `!`.
///
/// ```
/// use polars::prelude::*;
/// use setl::dataset::{Condition, Dataset};
/// use setl::Row;
///
/// #[derive(Row)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
/// }
///
/// let late = Flight::DELAY.gt(15.0) | Flight::DELAY.is_null();
/// let short = Condition::<Flight>::new(col("carrier").str().len_chars().eq(lit(2)));
/// let rows = [Flight { carrier: "UA".into(), delay: None }, Flight { carrier: "UA".into(), delay: Some(3.0) }];
/// let frame = Dataset::from_rows(&rows)?.filter(late & short).collect_blocking()?;
/// assert_eq!(frame.height(), 1);
/// # Ok::<(), setl::Error>(())
/// ```
pub struct Condition<R> {
    expr: Expr,
    text: String,
    row: PhantomData<fn() -> R>,
}

impl<R> Condition<R> {
    /// Creates a condition from any Polars expression of booleans.
    pub fn new(expr: impl Into<Expr>) -> Self {
        let expr = expr.into();
        let text = expr.to_string();
        Self::named(expr, text)
    }

    pub(crate) fn named(expr: Expr, text: String) -> Self {
        Self { expr, text, row: PhantomData }
    }

    /// Returns the condition as a Polars expression.
    pub fn into_expr(self) -> Expr {
        self.expr
    }
}

impl<R> BitAnd for Condition<R> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        let text = format!("{} and {}", parenthesised(&self.text), parenthesised(&other.text));
        Self::named(self.expr.and(other.expr), text)
    }
}

impl<R> BitOr for Condition<R> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        let text = format!("{} or {}", parenthesised(&self.text), parenthesised(&other.text));
        Self::named(self.expr.or(other.expr), text)
    }
}

impl<R> Not for Condition<R> {
    type Output = Self;

    fn not(self) -> Self {
        let text = format!("not ({})", self.text);
        Self::named(self.expr.not(), text)
    }
}

/// Adds parentheses, unless the text is a negation, which has its own.
fn parenthesised(text: &str) -> String {
    let negation = text.strip_prefix("not (").and_then(|rest| rest.strip_suffix(')'));
    match negation {
        Some(inner) if !inner.contains(['(', ')']) => text.to_owned(),
        _ => format!("({text})"),
    }
}

impl<R> Clone for Condition<R> {
    fn clone(&self) -> Self {
        Self::named(self.expr.clone(), self.text.clone())
    }
}

impl<R> fmt::Debug for Condition<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

impl<R> fmt::Display for Condition<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<R> From<Condition<R>> for Expr {
    fn from(condition: Condition<R>) -> Self {
        condition.expr
    }
}
