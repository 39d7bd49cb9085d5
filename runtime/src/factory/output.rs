//! Detects for generated code if a concrete output is a `Result` or `()`: the compiler prefers a constant of a type to one of a
//! trait.

use std::marker::PhantomData;

use super::IntoFactoryError;

/// Asks if an output is a `Result`, under any name.
pub struct IsResult<T>(PhantomData<fn() -> T>);

impl<T, E> IsResult<Result<T, E>> {
    /// The type is a `Result`.
    pub const __SETL_IS_RESULT: bool = true;
}

/// Implemented for all other types.
pub trait IsNoResult {
    /// The type is not a `Result`.
    const __SETL_IS_RESULT: bool = false;
}

impl<T> IsNoResult for IsResult<T> {}

/// Checks that the output of a factory is not a `Result`, since its error would not fail the run.
///
/// # Panics
/// If it is one. The panic stops the compiler.
#[track_caller]
pub const fn check_output(factory: &str, is_function: bool, is_result: bool) {
    if !is_result {
        return;
    }
    let mut text = crate::plan::Text::new();
    text.push("factory `");
    text.push(factory);
    text.push("` delivers a `Result`, so that an error would be delivered, and the run would succeed: ");
    text.push(match is_function {
        true => "let it return `setl::Result<...>`, or a type whose name ends in `Result` and has arguments",
        false => "name the value as its output, since `process` returns a `Result` already",
    });
    panic!("{}", text.as_str());
}

/// Asks if an output is `()`, under any name.
pub struct IsUnit<T>(PhantomData<fn() -> T>);

impl IsUnit<()> {
    /// The type is `()`.
    pub const __SETL_IS_UNIT: bool = true;
}

/// Implemented for all other types.
pub trait IsNoUnit {
    /// The type is not `()`.
    const __SETL_IS_UNIT: bool = false;
}

impl<T> IsNoUnit for IsUnit<T> {}

/// Checks that the output of a factory is not `()` under another name, since only `()` itself is known not to be delivered.
///
/// # Panics
/// If it is. The panic stops the compiler.
#[track_caller]
pub const fn check_unit(factory: &str, is_function: bool, is_unit: bool) {
    if !is_unit {
        return;
    }
    let mut text = crate::plan::Text::new();
    text.push("factory `");
    text.push(factory);
    text.push(
        "` delivers `()` under another name, so it would count as a value that others can take: write ",
    );
    text.push(match is_function {
        true => "`()` or `setl::Result<()>`",
        false => "`output = ()`",
    });
    panic!("{}", text.as_str());
}

/// The output of a fallible function in the pipeline `P`, if its return type is not recognized by name. For `P` see
/// [`Produces`](super::Produces).
pub trait FallibleIn<P> {
    /// The type of the output: see [`Fallible::Output`](super::Fallible::Output).
    type Output;
}

#[diagnostic::do_not_recommend]
impl<T, E: IntoFactoryError, P> FallibleIn<P> for Result<T, E> {
    type Output = T;
}
