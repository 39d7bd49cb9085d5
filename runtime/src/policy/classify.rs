//! The classification of errors as transient or permanent.

use std::error::Error as StdError;
use std::io;

use super::mark::{Marked, beneath};
use super::{CircuitOpen, RetryOn, TimedOut};
use crate::{Error, RunError};
use setl_commit::WriteError;

/// The kind of an error: it may go away by itself, or it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transience {
    /// The same attempt may succeed later.
    Transient,
    /// Every further attempt fails, too.
    Permanent,
}

/// Classifies the errors of one run whose types this crate does not know.
///
/// If it returns `None`, the rules of [`classify`] apply. Search the whole chain, since errors have contexts:
///
/// ```
/// use setl::policy::{Classifier, Transience};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the service answered {0}")]
/// struct Answered(u16);
///
/// const BY_STATUS: Classifier = |error| {
///     let Answered(status) = error.chain().find_map(|cause| cause.downcast_ref())?;
///     Some(if matches!(status, 429 | 503) { Transience::Transient } else { Transience::Permanent })
/// };
///
/// let busy = setl::Error::new(Answered(503)).context("cannot read the rates");
/// assert_eq!(BY_STATUS(&busy), Some(Transience::Transient));
/// ```
pub type Classifier = fn(&Error) -> Option<Transience>;

/// Classifies an error as transient or permanent, as far as possible.
///
/// A mark ([`transient`](super::transient), [`permanent`](super::permanent)) takes precedence; if there are several, the
/// outermost one counts.
/// Otherwise the outermost cause that is in this table decides:
///
/// | error | class |
/// |---|---|
/// | [`TimedOut`], [`tokio::time::error::Elapsed`] | transient |
/// | [`CircuitOpen`] | transient: the breaker closes later |
/// | [`WriteError::Changed`], [`WriteError::Busy`]: another run has written to the target, or will soon | transient |
/// | [`io::Error`]: the peer or the network fails. `ConnectionRefused`, `ConnectionReset`, `ConnectionAborted`, `NotConnected`, `BrokenPipe`, `TimedOut`, `NetworkDown`, `NetworkUnreachable`, `HostUnreachable`, `StaleNetworkFileHandle` | transient |
/// | [`io::Error`]: the resource is in use. `AddrInUse`, `ResourceBusy`, `ExecutableFileBusy`, `Deadlock`, `Interrupted`, `WouldBlock` | transient |
/// | [`io::Error`]: the storage is full until space is freed. `StorageFull`, `QuotaExceeded` | permanent |
/// | [`io::Error`] of kind `Other` | the class of its inner error, if that is in this table |
/// | [`io::Error`] of any other kind: `NotFound`, `PermissionDenied`, `InvalidData`, … | permanent |
/// | `polars::error::PolarsError` | the class of its [`io::Error`], if it has one; otherwise permanent |
/// | `setl::dataset::DataError` | the class of the source for `Io` and `Query`; otherwise permanent |
/// | [`RunError`] of a run inside of a factory | the class of its first failure; permanent if there is none |
/// | anything else | permanent |
///
/// `UnexpectedEof` is permanent: its kind does not distinguish a broken connection from a truncated file, and retrying the latter
/// only hides the loss. Mark the error if you know better. A host name that cannot be resolved is permanent, too, since the
/// standard library has no kind for it.
///
/// Unknown errors are permanent because most of them are: wrong input, wrong queries, wrong passwords. Retrying those takes time,
/// adds load to a service that may be in trouble, and repeats operations that are not idempotent. Giving up on a transient error
/// costs one run, and the report says which error to mark. Most libraries keep the cause in [`source`](StdError::source); their
/// network errors need no mark.
///
/// ```
/// use std::io;
///
/// use setl::policy::{Transience, classify};
///
/// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
/// assert_eq!(classify(&setl::Error::new(refused).context("cannot read the rates")), Transience::Transient);
///
/// let missing = io::Error::from(io::ErrorKind::NotFound);
/// assert_eq!(classify(&missing.into()), Transience::Permanent);
/// ```
///
/// A factory may run a pipeline, and be retried when that pipeline fails:
///
/// ```
/// use setl::policy::{Transience, classify};
/// use setl::prelude::*;
///
/// #[factory(timeout = "1ms")]
/// async fn forever() -> u32 {
///     std::future::pending().await
/// }
///
/// #[pipeline(only(forever))]
/// struct Inner;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = Inner.run().await.expect_err("it takes longer");
/// assert_eq!(classify(&error.into()), Transience::Transient);
/// # }
/// ```
pub fn classify(error: &Error) -> Transience {
    classify_by(None, error)
}

/// Classifies an error like [`classify`]. The rules of the run take precedence over the table, but not over marks.
pub fn classify_by(rules: Option<Classifier>, error: &Error) -> Transience {
    let marked = || error.chain().find_map(mark_of);
    let ruled = || rules.and_then(|rules| rules(error));
    let known = || error.chain().find_map(known);
    marked().or_else(ruled).or_else(known).unwrap_or(Transience::Permanent)
}

/// Returns the mark on this cause. The `source` of an [`io::Error`] is the source of its inner error, not the inner error itself.
fn mark_of(cause: &(dyn StdError + 'static)) -> Option<Transience> {
    match cause.downcast_ref::<Marked>() {
        Some(marked) => Some(marked.transience),
        None => wrapped(cause).and_then(mark_of),
    }
}

fn known(cause: &(dyn StdError + 'static)) -> Option<Transience> {
    if cause.is::<TimedOut>() || cause.is::<tokio::time::error::Elapsed>() || cause.is::<CircuitOpen>() {
        return Some(Transience::Transient);
    }
    if let Some(WriteError::Changed { .. } | WriteError::Busy { .. }) = cause.downcast_ref() {
        return Some(Transience::Transient);
    }
    if let Some(run) = cause.downcast_ref::<RunError>() {
        // The source of the run error omits details of the failure, such as that it was a timeout.
        let first = run.failures().first()?;
        return Some(if first.transient { Transience::Transient } else { Transience::Permanent });
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::Other => wrapped(cause).and_then(|wrapped| {
            let mut chain = std::iter::successors(Some(wrapped), |&cause| cause.source());
            chain.find_map(known)
        }),
        kind => Some(of_kind(kind)),
    }
}

fn wrapped<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let wrapped = cause.downcast_ref::<io::Error>()?.get_ref()?;
    Some(wrapped)
}

fn of_kind(kind: io::ErrorKind) -> Transience {
    use io::ErrorKind::*;
    match kind {
        ConnectionRefused
        | ConnectionReset
        | ConnectionAborted
        | NotConnected
        | BrokenPipe
        | TimedOut
        | NetworkDown
        | NetworkUnreachable
        | HostUnreachable
        | StaleNetworkFileHandle
        | AddrInUse
        | ResourceBusy
        | ExecutableFileBusy
        | Deadlock
        | Interrupted
        | WouldBlock => Transience::Transient,
        _ => Transience::Permanent,
    }
}

impl RetryOn {
    /// Returns `true` if a factory is retried after this error; `rules` are those of the run.
    pub(crate) fn covers(&self, error: &Error, rules: Option<Classifier>) -> bool {
        match self {
            RetryOn::Transient => classify_by(rules, error) == Transience::Transient,
            RetryOn::Any => true,
            RetryOn::If(asks_for_more) => asks_for_more(beneath(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

    use super::super::mark::Marked;
    use super::*;
    use crate::{permanent, transient};

    fn io(kind: io::ErrorKind) -> Error {
        io::Error::new(kind, "from the system").into()
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Box<dyn StdError + Send + Sync>);

    #[derive(Debug, thiserror::Error)]
    #[error("context")]
    struct Context {
        source: Error,
    }

    #[test]
    fn errors_of_the_network_are_transient_and_those_of_files_are_not() {
        use io::ErrorKind::*;
        for kind in [ConnectionRefused, ConnectionReset, TimedOut, Interrupted, ResourceBusy, HostUnreachable]
        {
            assert_eq!(classify(&io(kind)), Transience::Transient, "{kind:?}");
        }
        for kind in
            [NotFound, PermissionDenied, StorageFull, QuotaExceeded, InvalidData, UnexpectedEof, Other]
        {
            assert_eq!(classify(&io(kind)), Transience::Permanent, "{kind:?}");
        }
    }

    #[test]
    fn unknown_errors_are_permanent() {
        assert_eq!(classify(&anyhow::anyhow!("division by zero")), Transience::Permanent);
    }

    #[tokio::test]
    async fn timeouts_are_transient() {
        let elapsed = tokio::time::timeout(std::time::Duration::ZERO, std::future::pending::<()>()).await;
        assert_eq!(classify(&elapsed.unwrap_err().into()), Transience::Transient);
        let late = TimedOut::total(std::time::Duration::from_secs(1));
        assert_eq!(classify(&Error::new(late).context("late")), Transience::Transient);
    }

    #[test]
    fn who_writes_to_the_same_target_as_another_run_may_try_again() {
        let target = || "a.csv".to_owned();
        for error in [WriteError::Changed { target: target() }, WriteError::Busy { target: target() }] {
            assert_eq!(classify(&Error::new(error).context("cannot save")), Transience::Transient);
        }
        let pending = WriteError::Pending { target: target(), journal: "j".into(), reason: String::new() };
        for error in [WriteError::Exists { target: target() }, pending] {
            assert_eq!(classify(&error.into()), Transience::Permanent);
        }
    }

    #[test]
    fn the_outermost_known_cause_decides() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let invalid = io::Error::new(io::ErrorKind::InvalidData, Outer(Box::new(reset)));
        assert_eq!(classify(&Error::new(invalid).context("cannot read")), Transience::Permanent);

        let missing = io::Error::from(io::ErrorKind::NotFound);
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, Outer(Box::new(missing)));
        assert_eq!(classify(&Outer(Box::new(refused)).into()), Transience::Transient);
    }

    #[test]
    fn an_io_error_without_a_kind_is_what_it_wraps() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let other = io::Error::other(io::Error::other(reset));
        assert_eq!(classify(&other.into()), Transience::Transient);
        let late = io::Error::other(Outer(Box::new(TimedOut::attempt(std::time::Duration::ZERO))));
        assert_eq!(classify(&late.into()), Transience::Transient);
    }

    #[cfg(feature = "polars")]
    #[test]
    fn errors_of_data_are_what_the_system_says() {
        use polars::prelude::PolarsError;

        use crate::dataset::DataError;

        let lost = || PolarsError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(classify(&lost().into()), Transience::Transient);
        assert_eq!(classify(&io::Error::other(lost()).into()), Transience::Transient);
        assert_eq!(classify(&PolarsError::NoData("none".into()).into()), Transience::Permanent);
        let source = io::Error::from(io::ErrorKind::StaleNetworkFileHandle);
        let stale = DataError::Io { action: "read", path: "rates.csv".into(), source };
        assert_eq!(classify(&stale.into()), Transience::Transient);
    }

    #[test]
    fn the_outermost_mark_goes_before_everything_else() {
        assert_eq!(classify(&transient(io(io::ErrorKind::NotFound))), Transience::Transient);
        assert_eq!(classify(&permanent(io(io::ErrorKind::TimedOut))), Transience::Permanent);
        let twice = permanent(transient(anyhow::anyhow!("odd")).context("in between"));
        assert_eq!(classify(&twice.context("above")), Transience::Permanent);

        // Also inside errors of other libraries.
        let beneath = Context { source: transient(anyhow::anyhow!("odd")) };
        assert_eq!(classify(&beneath.into()), Transience::Transient);
        let other =
            io::Error::other(Marked { transience: Transience::Transient, error: anyhow::anyhow!("odd") });
        assert_eq!(classify(&other.into()), Transience::Transient);
    }

    #[test]
    fn the_rules_of_a_run_lie_between_marks_and_the_table() {
        let rules: Classifier = |_| Some(Transience::Permanent);
        assert_eq!(classify_by(Some(rules), &io(io::ErrorKind::TimedOut)), Transience::Permanent);
        assert_eq!(classify_by(Some(rules), &transient(io(io::ErrorKind::TimedOut))), Transience::Transient);
        assert_eq!(classify_by(Some(|_| None), &io(io::ErrorKind::TimedOut)), Transience::Transient);
    }

    #[test]
    fn retries_follow_what_they_are_for() {
        let (lost, broken) = (io(io::ErrorKind::ConnectionReset), anyhow::anyhow!("broken"));
        assert!(RetryOn::Transient.covers(&lost, None) && !RetryOn::Transient.covers(&broken, None));
        assert!(RetryOn::Any.covers(&lost, None) && RetryOn::Any.covers(&broken, None));
        let asked = RetryOn::If(|error| error.is::<io::Error>());
        assert!(asked.covers(&transient(lost), None) && !asked.covers(&broken, None));
    }
}
