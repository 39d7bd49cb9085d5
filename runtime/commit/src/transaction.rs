//! The staged writes of one run.

use std::any::Any;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::error::WriteError;
use super::file::StagedFile;
use super::journal::Journal;
use super::protocol::{Commit, contained, roll_back};
use super::recover::{self, Recovered};
use super::state::state_directory;
use super::{CommitDecision, KeptWrite, StagedWrite, aside};
use crate::Error;

/// The owner of a write: one attempt of one part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The index of the part.
    pub node: usize,
    /// The attempt, counted from 1.
    pub attempt: u32,
}

/// A staged write.
pub(super) struct Write {
    pub(super) owner: Owner,
    /// The target that the write named when it was staged.
    pub(super) target: String,
    pub(super) staged: Box<dyn StagedWrite>,
}

/// The staged writes of one run, in the order of staging. Dropping it discards all uncommitted writes.
pub struct Transaction {
    writes: Mutex<Vec<Write>>,
    /// Files that were not completely staged and may still be written to.
    unfinished: Mutex<Vec<StagedFile>>,
    run_id: Uuid,
    pipeline: String,
    state: PathBuf,
    /// The result of [`recover`](Self::recover).
    recovered: Mutex<Option<Recovered>>,
}

/// A failed commit.
#[derive(Debug)]
pub enum CommitError {
    /// Nothing has become visible. All writes are rolled back.
    RolledBack {
        /// The owner of the write that could not be prepared, if a write caused the failure.
        owner: Option<Owner>,
        /// The reason.
        error: Error,
    },
    /// The commit was decided, but not everything is visible yet. The next run finishes it.
    Unfinished {
        /// The owner of the write that could not be switched, if a write caused the failure.
        owner: Option<Owner>,
        /// The reason.
        error: Error,
        /// The targets that hold the new data.
        committed: Vec<String>,
        /// The targets that still hold the old data.
        open: Vec<String>,
    },
}

impl CommitError {
    /// Returns the reason of the failure.
    pub fn into_error(self) -> Error {
        match self {
            Self::RolledBack { error, .. } | Self::Unfinished { error, .. } => error,
        }
    }
}

impl Transaction {
    /// Creates an empty transaction. Journals are written to `state` when they are needed. Default: the directory in
    /// `SETL_STATE_DIR`, or else `.setl` in the working directory.
    pub fn new(run_id: Uuid, pipeline: &str, state: Option<PathBuf>) -> Self {
        Self {
            writes: Mutex::default(),
            unfinished: Mutex::default(),
            run_id,
            pipeline: pipeline.to_owned(),
            state: state_directory(state.as_deref()),
            recovered: Mutex::default(),
        }
    }

    /// Finishes or undoes the commits of dead runs. Only the first call does any work. This blocks.
    ///
    /// Returns notes for an operator. The open commits do not affect this run, unless it writes to their targets: then
    /// its commit is refused.
    pub fn recover(&self) -> Vec<String> {
        let mut recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner);
        if recovered.is_some() {
            return Vec::new();
        }
        let found = recover::recover(&self.state);
        let notes = match &found {
            Ok(found) => notes_of(found),
            Err(error) => vec![format!("what earlier runs have left cannot be looked at: {error:#}")],
        };
        *recovered = Some(found.unwrap_or_default());
        notes
    }

    /// Lets the connector of `place` settle the writes that dead runs have left there. This is cheap if there are none.
    /// This blocks.
    pub fn settle(
        &self,
        place: &str,
        settle: &dyn Fn(&str, CommitDecision) -> crate::Result<()>,
    ) -> crate::Result<()> {
        let mut recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(recovered) = &mut *recovered
            && recovered.waiting.iter().any(|waiting| waiting == place)
        {
            recover::settle(&self.state, place, settle)?;
            recovered.waiting.retain(|waiting| waiting != place);
        }
        Ok(())
    }

    /// Adds a write that an attempt has staged.
    ///
    /// A write that would undo another write of this run is refused and discarded.
    pub fn enlist(&self, owner: Owner, staged: Box<dyn StagedWrite>) -> crate::Result<()> {
        let (target, adds) = contained(|| Ok((staged.target(), staged.adds())))?;
        let mut writes = self.lock();
        if !adds && writes.iter().any(|earlier| earlier.target == target) {
            // The refused write removes its files after the lock is released.
            drop(writes);
            return Err(WriteError::Twice { target }.into());
        }
        writes.push(Write { owner, target, staged });
        Ok(())
    }

    /// Returns `true` if a write is staged for this target.
    pub fn has_staged(&self, target: &str) -> bool {
        self.lock().iter().any(|write| write.target == target)
    }

    /// Returns `true` if this attempt has staged a write.
    pub fn has_any_of(&self, owner: Owner) -> bool {
        self.lock().iter().any(|write| write.owner == owner)
    }

    /// Returns the owner and the target of each staged write.
    pub fn targets(&self) -> Vec<(Owner, String)> {
        self.lock().iter().map(|write| (write.owner, write.target.clone())).collect()
    }

    /// Returns the number of staged writes.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns `true` if no write is staged.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Rolls back the writes whose owner satisfies `discarded`. This blocks.
    pub fn discard(&self, discarded: impl Fn(Owner) -> bool) -> Vec<Error> {
        let gone: Vec<_> = self.lock().extract_if(.., |write| discarded(write.owner)).collect();
        roll_back(gone)
    }

    /// Keeps a file that was not completely staged until nothing works for the run any more, and removes it then.
    pub fn leave_until_end(&self, staged: StagedFile) {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).push(staged);
    }

    /// Returns `true` if there are incompletely staged files to remove at the end of the run.
    pub fn has_unfinished(&self) -> bool {
        !self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Removes the files that were not completely staged. This blocks.
    pub fn remove_unfinished(&self) {
        drop(mem::take(&mut *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    /// Makes the writes of an attempt outlive the run. They are still part of this run, which can commit them.
    ///
    /// Before any file is kept, `intend` receives the data that a later run needs to resume the writes. If it records
    /// them durably, no kept file can be lost track of. This blocks.
    ///
    /// Returns `None` if one of the writes cannot be kept. Then none is kept.
    pub fn keep(
        &self,
        owner: Owner,
        intend: impl FnOnce(&[KeptWrite]) -> crate::Result<()>,
    ) -> crate::Result<Option<Vec<KeptWrite>>> {
        let mut writes = self.lock();
        let mut files = Vec::new();
        for write in writes.iter_mut().filter(|write| write.owner == owner) {
            match staged_file(&mut *write.staged) {
                Some(file) => files.push(file),
                None => return Ok(None),
            }
        }
        let kept = files.iter().map(|file| file.to_keep()).collect::<Result<Option<Vec<_>>, _>>()?;
        let Some(kept) = kept else { return Ok(None) };
        intend(&kept)?;
        files.into_iter().try_for_each(StagedFile::keep)?;
        Ok(Some(kept))
    }

    /// Undoes [`keep`](Self::keep): the writes are removed with this run, unless it commits them.
    pub fn unkeep(&self, of: impl Fn(Owner) -> bool) {
        let mut writes = self.lock();
        let files = writes.iter_mut().filter(|write| of(write.owner));
        files.filter_map(|write| staged_file(&mut *write.staged)).for_each(StagedFile::unkeep);
    }

    /// Takes over writes that an earlier run has kept for an attempt of the same factory. This blocks.
    ///
    /// # Errors
    /// When one of them is missing or in use. Then none is taken over.
    pub fn adopt(&self, owner: Owner, kept: &[KeptWrite]) -> crate::Result<()> {
        let writes: Vec<_> = kept.iter().map(KeptWrite::reopen).collect::<Result<_, _>>()?;
        let enlisted = writes.into_iter().try_for_each(|write| self.enlist(owner, write));
        if enlisted.is_err() {
            self.discard(|of| of == owner);
        }
        enlisted
    }

    /// Makes all writes visible and returns their targets. This blocks.
    pub fn commit(&self) -> Result<Vec<String>, CommitError> {
        let writes = mem::take(&mut *self.lock());
        let mut commit = Commit::prepare(writes)?;
        if !commit.needs_journal() {
            return commit.at_once();
        }
        let create = || Journal::create(&self.state, self.run_id, &self.pipeline);
        commit.record(create)?;
        commit.arm()?;
        commit.decide()?;
        commit.switch()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn staged_file(write: &mut dyn StagedWrite) -> Option<&mut StagedFile> {
    let write: &mut dyn Any = write;
    write.downcast_mut()
}

/// Formats the losses and the open commits of a recovery, each as a sentence for an operator.
pub fn notes_of(recovered: &Recovered) -> Vec<String> {
    let lost = recovered.lost.iter().map(|target| WriteError::Lost { target: target.clone() }.to_string());
    lost.chain(recovered.kept.iter().map(ToString::to_string)).collect()
}

/// Removes all staged entries of this process, which is about to exit. A commit in progress is left alone.
pub fn abandon_all() {
    aside::remove_living();
}

/// Commits one write alone.
pub fn commit_now(write: Box<dyn StagedWrite>) -> crate::Result<()> {
    let alone = Transaction::new(Uuid::now_v7(), "", None);
    alone.enlist(Owner { node: 0, attempt: 1 }, write)?;
    alone.commit().map(drop).map_err(CommitError::into_error)
}

/// Commits `writes` as one run does. Tests use it to kill a commit.
#[doc(hidden)]
pub fn commit_together(state: &Path, writes: Vec<Box<dyn StagedWrite>>) -> crate::Result<Vec<String>> {
    let run = Transaction::new(Uuid::now_v7(), "together", Some(state.to_owned()));
    for (node, write) in writes.into_iter().enumerate() {
        run.enlist(Owner { node, attempt: 1 }, write)?;
    }
    run.commit().map_err(CommitError::into_error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;
