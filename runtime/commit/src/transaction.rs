//! The writes of one run.

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
use super::{Decision, KeptWrite, StagedWrite, aside};
use crate::Error;

/// The owner of a write: one attempt of one part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The index of the part.
    pub node: usize,
    /// The attempt, counted from 1.
    pub attempt: u32,
}

/// A write that is staged.
pub(super) struct Write {
    pub(super) owner: Owner,
    /// What it said it will change when it came.
    pub(super) target: String,
    pub(super) staged: Box<dyn StagedWrite>,
}

/// The staged writes of one run, in the order in which they were staged. Dropping it discards all that is not committed.
pub struct Transaction {
    writes: Mutex<Vec<Write>>,
    /// What was not staged to its end, and may still be written to.
    unfinished: Mutex<Vec<StagedFile>>,
    run_id: Uuid,
    pipeline: String,
    state: PathBuf,
    /// What [`recover`](Self::recover) has found.
    recovered: Mutex<Option<Recovered>>,
}

/// A commit that did not succeed.
#[derive(Debug)]
pub enum CommitError {
    /// Nothing has become visible; all writes are rolled back.
    RolledBack {
        /// The owner of the write that could not be prepared, if it was one.
        owner: Option<Owner>,
        /// The reason.
        error: Error,
    },
    /// The commit was decided, but not everything is visible yet: it is finished by the next run.
    Unfinished {
        /// The owner of the write that could not be switched, if it was one.
        owner: Option<Owner>,
        /// The reason.
        error: Error,
        /// The targets that are new.
        committed: Vec<String>,
        /// The targets that are still old.
        open: Vec<String>,
    },
}

impl CommitError {
    /// The reason of the commit that did not succeed, as one error.
    pub fn into_error(self) -> Error {
        match self {
            Self::RolledBack { error, .. } | Self::Unfinished { error, .. } => error,
        }
    }
}

impl Transaction {
    /// Does nothing yet: journals are kept in `state`, if there is something to keep. Without, it is what the variable
    /// `SETL_STATE_DIR` says, or else `.setl` in the working directory.
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

    /// Finishes or undoes what runs have left that are no more. Does so once; cheap from then on. It blocks.
    ///
    /// Returns what somebody has to look at. None of it is in the way of this run, unless it writes to the targets concerned;
    /// then its commit is refused.
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

    /// Lets the connector of `place` settle what dead runs have left there. Cheap, if they have left nothing. It blocks.
    pub fn settle(
        &self,
        place: &str,
        settle: &dyn Fn(&str, Decision) -> crate::Result<()>,
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

    /// Takes a write that an attempt has staged.
    ///
    /// It is refused, and discarded, if it would undo another write of this run.
    pub fn enlist(&self, owner: Owner, staged: Box<dyn StagedWrite>) -> crate::Result<()> {
        let (target, adds) = contained(|| Ok((staged.target(), staged.adds())))?;
        let mut writes = self.lock();
        if !adds && writes.iter().any(|earlier| earlier.target == target) {
            // What is removed from disk is removed without the lock.
            drop(writes);
            return Err(WriteError::Twice { target }.into());
        }
        writes.push(Write { owner, target, staged });
        Ok(())
    }

    /// Whether something is staged for this target.
    pub fn has_staged(&self, target: &str) -> bool {
        self.lock().iter().any(|write| write.target == target)
    }

    /// Whether this attempt has staged anything.
    pub fn has_any_of(&self, owner: Owner) -> bool {
        self.lock().iter().any(|write| write.owner == owner)
    }

    /// What is staged, by whom.
    pub fn targets(&self) -> Vec<(Owner, String)> {
        self.lock().iter().map(|write| (write.owner, write.target.clone())).collect()
    }

    /// How many writes are staged.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is staged at all.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Rolls back what `discarded` says. It blocks.
    pub fn discard(&self, discarded: impl Fn(Owner) -> bool) -> Vec<Error> {
        let gone: Vec<_> = self.lock().extract_if(.., |write| discarded(write.owner)).collect();
        roll_back(gone)
    }

    /// Takes what was not staged to its end, and is to be removed when nobody works for the run any more.
    pub fn leave_until_end(&self, staged: StagedFile) {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).push(staged);
    }

    /// Whether there is anything to remove at the end of the run that is not committed.
    pub fn has_unfinished(&self) -> bool {
        !self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Removes what was not staged to its end. It blocks.
    pub fn remove_unfinished(&self) {
        drop(mem::take(&mut *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    /// Has the writes of an attempt outlive the run. They are still part of this run, and can be committed by it.
    ///
    /// `intend` is told what a later run needs to go on with them, before anything stays: whoever writes that down durably
    /// knows of all that can be left. It blocks.
    ///
    /// `None` if one of them cannot be kept; then none is.
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

    /// Undoes [`keep`](Self::keep): the writes go with this run, unless it commits them.
    pub fn unkeep(&self, of: impl Fn(Owner) -> bool) {
        let mut writes = self.lock();
        let files = writes.iter_mut().filter(|write| of(write.owner));
        files.filter_map(|write| staged_file(&mut *write.staged)).for_each(StagedFile::unkeep);
    }

    /// Takes writes that an earlier run has kept, in the place of an attempt of the same factory. It blocks.
    ///
    /// # Errors
    /// When one of them is not there any more, or is in use; then none is taken.
    pub fn adopt(&self, owner: Owner, kept: &[KeptWrite]) -> crate::Result<()> {
        let writes: Vec<_> = kept.iter().map(KeptWrite::reopen).collect::<Result<_, _>>()?;
        let enlisted = writes.into_iter().try_for_each(|write| self.enlist(owner, write));
        if enlisted.is_err() {
            self.discard(|of| of == owner);
        }
        enlisted
    }

    /// Makes all writes visible, and gives their targets. It blocks.
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

/// The losses and the open commits of a recovery, each in a sentence for an operator.
pub fn notes_of(recovered: &Recovered) -> Vec<String> {
    let lost = recovered.lost.iter().map(|target| WriteError::Lost { target: target.clone() }.to_string());
    lost.chain(recovered.kept.iter().map(ToString::to_string)).collect()
}

/// Removes all that this process has staged, for one that is about to exit. A commit that is under way is left alone.
pub fn abandon_all() {
    aside::remove_living();
}

/// Commits one write by itself.
pub fn commit_now(write: Box<dyn StagedWrite>) -> crate::Result<()> {
    let alone = Transaction::new(Uuid::now_v7(), "", None);
    alone.enlist(Owner { node: 0, attempt: 1 }, write)?;
    alone.commit().map(drop).map_err(CommitError::into_error)
}

/// Commits `writes` as a run does that has staged them, for tests that kill it.
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
