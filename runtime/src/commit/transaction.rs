//! The writes of one run.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use super::StagedWrite;
use crate::Error;
use crate::run::panic::caught;

/// Who made a write: an attempt of a factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its index in the plan.
    pub(crate) node: usize,
    /// Counted from 1.
    pub(crate) attempt: u32,
}

/// The staged writes of one run, in the order in which they were staged.
pub(crate) struct Transaction {
    writes: Mutex<Vec<(Owner, Box<dyn StagedWrite>)>>,
}

/// Why a commit did not succeed.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Nothing has become visible; all writes are rolled back.
    RolledBack {
        /// Whose write could not be prepared.
        owner: Option<Owner>,
        error: Error,
    },
    /// The commit was decided, but not everything is visible yet: it is finished by the next run.
    Unfinished { owner: Option<Owner>, error: Error },
}

impl Transaction {
    /// Does nothing yet: journals are kept in `state`, if there is something to keep.
    pub(crate) fn new(_run_id: Uuid, _pipeline: &str, _state: Option<PathBuf>) -> Self {
        Self { writes: Mutex::default() }
    }

    /// Finishes or undoes what runs have left that are no more. Does so once; cheap from then on. It blocks.
    pub(crate) fn recover(&self) -> crate::Result<()> {
        Ok(())
    }

    /// Takes a write that an attempt has staged.
    pub(crate) fn enlist(&self, owner: Owner, write: Box<dyn StagedWrite>) -> crate::Result<()> {
        self.lock().push((owner, write));
        Ok(())
    }

    /// Whether something is staged for this target.
    pub(crate) fn has_staged(&self, target: &str) -> bool {
        self.lock().iter().any(|(_, write)| write.target() == target)
    }

    /// How many writes are staged.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Removes what is staged, as far as that can be done at once: the process is about to end.
    pub(crate) fn abandon(&self) {
        if let Ok(mut writes) = self.writes.try_lock() {
            writes.clear();
        }
    }

    /// Whether nothing is staged at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Rolls back what `discarded` says. It blocks.
    pub(crate) fn discard(&self, discarded: impl Fn(Owner) -> bool) -> Vec<Error> {
        let gone: Vec<_> = self.lock().extract_if(.., |(owner, _)| discarded(*owner)).collect();
        gone.into_iter().filter_map(|(_, write)| contained(|| write.rollback()).err()).collect()
    }

    /// Makes all writes visible, and gives their targets. It blocks.
    pub(crate) fn commit(&self) -> Result<Vec<String>, CommitError> {
        let mut writes = std::mem::take(&mut *self.lock());
        for (owner, write) in &mut writes {
            let owner = Some(*owner);
            contained(|| write.prepare()).map_err(|error| CommitError::RolledBack { owner, error })?;
        }
        let mut targets = Vec::new();
        for (owner, write) in writes {
            targets.push(write.target());
            let owner = Some(owner);
            contained(|| write.commit()).map_err(|error| CommitError::Unfinished { owner, error })?;
        }
        Ok(targets)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Owner, Box<dyn StagedWrite>)>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls what others wrote: one write that panics must not keep the others from their ends.
fn contained<T>(call: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    caught(call).unwrap_or_else(|panic| Err(Error::msg(panic.line())))
}
