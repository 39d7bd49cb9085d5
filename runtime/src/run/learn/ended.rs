//! Why a run did not succeed, as the history keeps it.

use crate::base::names::{in_one_line, shortened};
use crate::run::error::FactoryError;
use crate::run::fate::IT_FAILED;
use crate::run::report::Entry;
use crate::run::shared::Why;

/// The most bytes of an error that are kept.
const MOST: usize = 2048;

/// How a run ended.
#[derive(Clone, Copy)]
pub(in crate::run) struct Ended<'run> {
    pub(in crate::run) succeeded: bool,
    pub(in crate::run) failures: &'run [FactoryError],
    /// Why the commit is not complete, if it was decided and is not.
    pub(in crate::run) unfinished: Option<&'run FactoryError>,
    /// Why it ended before its end, if it did.
    pub(in crate::run) interrupted: Option<Why>,
}

impl Ended<'_> {
    /// Why the run did not succeed, if that is not the error of a factory.
    pub(super) fn error(&self) -> Option<String> {
        let own = self.failures.iter().filter(|failure| failure.factory.is_empty());
        let errors = self.unfinished.into_iter().chain(own).map(FactoryError::described);
        let interrupted = self.interrupted.map(|why| match why {
            Why::Asked => "the run was cancelled".to_owned(),
            Why::Deadline => "the deadline of the run passed".to_owned(),
            Why::Memory => "the process held more memory than the run may".to_owned(),
        });
        kept(interrupted.into_iter().chain(errors))
    }

    /// The error of a factory.
    pub(super) fn error_of(&self, entry: &Entry) -> Option<String> {
        let own = self.failures.iter().filter(|failure| failure.factory == entry.factory);
        // Where a factory may fail, its error is no failure of the run; nor is it where its fallback has delivered.
        let note = entry.note.clone().filter(|note| note.contains(IT_FAILED));
        kept(note.into_iter().chain(own.map(FactoryError::described)))
    }
}

fn kept(errors: impl Iterator<Item = String>) -> Option<String> {
    let errors: Vec<_> = errors.map(|error| in_one_line(&error)).collect();
    (!errors.is_empty()).then(|| shortened(&errors.join("; "), MOST).into_owned())
}
