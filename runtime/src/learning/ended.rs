//! The end of a run, as the history keeps it.

use crate::base::names::{in_one_line, shortened};
use crate::run::error::FactoryError;
use crate::run::hook::RunEnd;
use crate::run::report::FactoryReport;
use crate::run::shared::CancelReason;
use crate::run::transitions::IT_FAILED;

/// The maximum size of a recorded error, in bytes.
const MOST: usize = 2048;

/// The reason why the run did not succeed, if it is not the error of a factory.
pub(super) fn error(run: RunEnd<'_>) -> Option<String> {
    let own = run.failures.iter().filter(|failure| failure.factory.is_empty());
    let errors = run.unfinished.into_iter().chain(own).map(FactoryError::described);
    let interrupted = run.interrupted.map(|why| match why {
        CancelReason::Requested => "the run was cancelled".to_owned(),
        CancelReason::Deadline => "the deadline of the run passed".to_owned(),
        CancelReason::Memory => "the process held more memory than the run may".to_owned(),
    });
    kept(interrupted.into_iter().chain(errors))
}

/// The error of a factory.
pub(super) fn error_of(run: RunEnd<'_>, entry: &FactoryReport) -> Option<String> {
    let own = run.failures.iter().filter(|failure| failure.factory == entry.factory);
    // The error of a factory that may fail is not a failure of the run. The same holds for a factory whose fallback has
    // delivered.
    let note = entry.note.clone().filter(|note| note.contains(IT_FAILED));
    kept(note.into_iter().chain(own.map(FactoryError::described)))
}

fn kept(errors: impl Iterator<Item = String>) -> Option<String> {
    let errors: Vec<_> = errors.map(|error| in_one_line(&error)).collect();
    (!errors.is_empty()).then(|| shortened(&errors.join("; "), MOST).into_owned())
}
