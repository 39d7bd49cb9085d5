//! Marks by which the author of a factory classifies an error.

use std::error::Error as StdError;
use std::fmt;

use super::Transience;
use crate::Error;

/// Marks an error as transient, whatever its type: the same attempt may succeed later.
///
/// The mark is invisible: messages and causes stay as they are, and the run removes the mark before it returns the error. To find
/// a type below a mark, use [`find`]. A `Box<dyn Error>` made from an [`Error`] hides both marks and types.
///
/// ```
/// use setl::prelude::*;
///
/// fn parse(answer: &str) -> Result<f64> {
///     if answer.starts_with("try later") {
///         return Err(setl::transient(std::io::Error::other("the service is busy")));
///     }
///     Ok(answer.parse()?)
/// }
///
/// let busy = parse("try later").unwrap_err();
/// assert_eq!(setl::policy::classify(&busy), setl::policy::Transience::Transient);
/// assert_eq!(busy.to_string(), "the service is busy");
/// ```
pub fn transient(error: impl Into<Error>) -> Error {
    Marked { transience: Transience::Transient, error: error.into() }.into()
}

/// Marks an error as permanent, whatever its type: every further attempt fails, too. See [`transient`].
pub fn permanent(error: impl Into<Error>) -> Error {
    Marked { transience: Transience::Permanent, error: error.into() }.into()
}

/// Marks the error of a result, before `?`.
///
/// ```
/// use setl::prelude::*;
///
/// fn read_rates() -> Result<String> {
///     // Another program is about to write the file.
///     Ok(std::fs::read_to_string("no/such/rates.csv").transient()?)
/// }
///
/// let error = read_rates().unwrap_err();
/// assert_eq!(setl::policy::classify(&error), setl::policy::Transience::Transient);
/// ```
pub trait Classify<T> {
    /// Marks the error as [`transient`].
    ///
    /// # Errors
    /// Returns the same error, with the mark.
    fn transient(self) -> Result<T, Error>;

    /// Marks the error as [`permanent`].
    ///
    /// # Errors
    /// Returns the same error, with the mark.
    fn permanent(self) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Classify<T> for Result<T, E> {
    fn transient(self) -> Result<T, Error> {
        self.map_err(transient)
    }

    fn permanent(self) -> Result<T, Error> {
        self.map_err(permanent)
    }
}

/// Finds the outermost cause of this type, also below a mark.
///
/// ```
/// use std::io;
///
/// use setl::policy::find;
///
/// let error = setl::permanent(io::Error::from(io::ErrorKind::TimedOut)).context("cannot read the rates");
/// assert_eq!(find::<io::Error>(&error).map(io::Error::kind), Some(io::ErrorKind::TimedOut));
/// ```
pub fn find<E: StdError + Send + Sync + 'static>(error: &Error) -> Option<&E> {
    // A context is not a cause of its own type, but the error can be downcast to it.
    error.downcast_ref::<E>().or_else(|| {
        error.chain().find_map(|cause| match cause.downcast_ref::<Marked>() {
            Some(marked) => find(&marked.error),
            None => cause.downcast_ref(),
        })
    })
}

/// Returns the error without its outermost marks, for functions that downcast it.
pub(super) fn beneath(error: &Error) -> &Error {
    match (**error).downcast_ref::<Marked>() {
        Some(marked) => beneath(&marked.error),
        None => error,
    }
}

/// Removes the outermost marks from an error, so that it can be downcast as before.
pub(crate) fn unmark(error: Error) -> Error {
    // If there is a context above the mark, `downcast` would find the mark too, and lose the context.
    match (*error).downcast_ref::<Marked>() {
        Some(_) => match error.downcast::<Marked>() {
            Ok(marked) => unmark(marked.error),
            Err(error) => error,
        },
        None => error,
    }
}

/// An error with a mark. It has the same message and the same sources as the error itself. A context would either be visible in
/// messages or repeat them.
pub(super) struct Marked {
    pub(super) transience: Transience,
    pub(super) error: Error,
}

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.error, f)
    }
}

impl fmt::Debug for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.error, f)
    }
}

impl StdError for Marked {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

    use std::io;
    use std::time::Duration;

    use anyhow::Context as _;

    use super::*;
    use crate::policy::TimedOut;

    fn io(kind: io::ErrorKind) -> Error {
        io::Error::new(kind, "from the system").into()
    }

    /// Formats an error as `main` prints it, without the backtrace.
    fn printed(error: &Error) -> String {
        let text = format!("{error:?}");
        text.split("\n\nStack backtrace").next().map(str::to_owned).unwrap_or_default()
    }

    #[test]
    fn a_mark_is_not_seen() {
        let plain = || Err::<(), _>(io(io::ErrorKind::NotFound)).context("cannot read").unwrap_err();
        for (marked, plain) in [
            (transient(plain()), plain()),
            (permanent(transient(plain())), plain()),
            (transient(plain()).context("above"), plain().context("above")),
        ] {
            assert_eq!(format!("{marked}"), format!("{plain}"));
            assert_eq!(format!("{marked:#}"), format!("{plain:#}"));
            assert_eq!(printed(&marked), printed(&plain));
            assert_eq!(marked.chain().count(), plain.chain().count());
        }
    }

    #[test]
    fn what_is_marked_can_still_be_downcast() {
        let direct = transient(io(io::ErrorKind::NotFound));
        assert!(find::<io::Error>(&direct).is_some());
        assert!(unmark(permanent(direct)).downcast_ref::<io::Error>().is_some());

        let above = transient(io(io::ErrorKind::NotFound)).context("above");
        assert!(find::<io::Error>(&above).is_some());
        assert_eq!(format!("{:#}", unmark(above)), "above: from the system");

        let context = Error::msg("root").context(TimedOut::attempt(Duration::ZERO));
        assert!(find::<TimedOut>(&transient(context)).is_some());
    }
}
