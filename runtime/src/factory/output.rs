//! Finds out of a concrete output whether it is a `Result`, for generated code: a constant of a type is preferred to one of a
//! trait.

use std::marker::PhantomData;

use super::FactoryError;

/// Asks whether an output is a `Result`, by whatever name.
pub struct IsResult<T>(PhantomData<fn() -> T>);

impl<T, E> IsResult<Result<T, E>> {
    /// It is.
    pub const __SETL_IS_RESULT: bool = true;
}

/// Of all other types.
pub trait IsNoResult {
    /// It is not.
    const __SETL_IS_RESULT: bool = false;
}

impl<T> IsNoResult for IsResult<T> {}

/// Checks that the output of a factory is no `Result`, whose error would not fail the run.
///
/// # Panics
/// When it is one, which then stops the compiler.
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

/// What a fallible function delivers in the pipeline `P`, where its return type does not tell by itself. For `P` see
/// [`Produces`](super::Produces).
pub trait FallibleIn<P> {
    /// See [`Fallible::Output`](super::Fallible::Output).
    type Output;
}

#[diagnostic::do_not_recommend]
impl<T, E: FactoryError, P> FallibleIn<P> for Result<T, E> {
    type Output = T;
}
