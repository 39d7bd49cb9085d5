//! The writes of one run.

use std::any::Any;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use uuid::Uuid;

use super::error::WriteError;
use super::file::StagedFile;
use super::journal::{self, Journal};
use super::recover::{self, Recovered};
use super::{Decision, KeptWrite, StagedWrite, Ticket};
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

type Write = (Owner, Box<dyn StagedWrite>);

/// The staged writes of one run, in the order in which they were staged. What is not committed is discarded with it.
pub(crate) struct Transaction {
    writes: Mutex<Vec<Write>>,
    run_id: Uuid,
    pipeline: String,
    state: PathBuf,
    /// What [`recover`](Self::recover) has found.
    recovered: Mutex<Option<Recovered>>,
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
    Unfinished {
        owner: Option<Owner>,
        error: Error,
        /// The targets that are new.
        committed: Vec<String>,
        /// The targets that are still old.
        open: Vec<String>,
    },
}

impl CommitError {
    fn into_error(self) -> Error {
        match self {
            Self::RolledBack { error, .. } | Self::Unfinished { error, .. } => error,
        }
    }
}

impl Transaction {
    /// Does nothing yet: journals are kept in `state`, if there is something to keep. Without, it is what the variable
    /// `SETL_STATE_DIR` says, or else `.setl` in the working directory.
    pub(crate) fn new(run_id: Uuid, pipeline: &str, state: Option<PathBuf>) -> Self {
        Self {
            writes: Mutex::default(),
            run_id,
            pipeline: pipeline.to_owned(),
            state: state.unwrap_or_else(journal::default_state),
            recovered: Mutex::default(),
        }
    }

    /// Finishes or undoes what runs have left that are no more. Does so once; cheap from then on. It blocks.
    pub(crate) fn recover(&self) -> crate::Result<()> {
        let mut recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner);
        if recovered.is_none() {
            *recovered = Some(recover::recover(&self.state)?);
        }
        Ok(())
    }

    /// Lets the connector of `place` settle what dead runs have left there. Cheap, if they have left nothing. It blocks.
    #[cfg_attr(not(feature = "polars"), allow(dead_code, reason = "connectors need the feature"))]
    pub(crate) fn settle(
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
    pub(crate) fn enlist(&self, owner: Owner, write: Box<dyn StagedWrite>) -> crate::Result<()> {
        let mut writes = self.lock();
        let target = write.target();
        if !write.adds() && writes.iter().any(|(_, earlier)| earlier.target() == target) {
            // What is removed from disk is removed without the lock.
            drop(writes);
            return Err(WriteError::Twice { target }.into());
        }
        writes.push((owner, write));
        Ok(())
    }

    /// Whether something is staged for this target.
    #[cfg_attr(not(feature = "polars"), allow(dead_code, reason = "connectors need the feature"))]
    pub(crate) fn has_staged(&self, target: &str) -> bool {
        self.lock().iter().any(|(_, write)| write.target() == target)
    }

    /// Whether this attempt has staged anything.
    pub(crate) fn has_any_of(&self, owner: Owner) -> bool {
        self.lock().iter().any(|(of, _)| *of == owner)
    }

    /// How many writes are staged.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is staged at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Rolls back what `discarded` says. It blocks.
    pub(crate) fn discard(&self, discarded: impl Fn(Owner) -> bool) -> Vec<Error> {
        let gone: Vec<_> = self.lock().extract_if(.., |(owner, _)| discarded(*owner)).collect();
        roll_back(gone)
    }

    /// Removes what it can at once, for a process that is about to exit. A commit that is under way is left alone.
    pub(crate) fn abandon(&self) {
        let writes = match self.writes.try_lock() {
            Ok(mut writes) => mem::take(&mut *writes),
            Err(TryLockError::Poisoned(writes)) => mem::take(&mut *writes.into_inner()),
            Err(TryLockError::WouldBlock) => return,
        };
        drop(writes);
    }

    /// Has the writes of an attempt outlive the run. They are still part of this run, and can be committed by it.
    ///
    /// `intend` is told what a later run needs to go on with them, before anything stays: whoever writes that down durably
    /// knows of all that can be left. It blocks.
    ///
    /// `None` if one of them cannot be kept; then none is.
    pub(crate) fn keep(
        &self,
        owner: Owner,
        intend: impl FnOnce(&[KeptWrite]) -> crate::Result<()>,
    ) -> crate::Result<Option<Vec<KeptWrite>>> {
        let mut writes = self.lock();
        let mut files = Vec::new();
        for (_, write) in writes.iter_mut().filter(|(of, _)| *of == owner) {
            match staged_file(&mut **write) {
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
    pub(crate) fn unkeep(&self, of: impl Fn(Owner) -> bool) {
        let mut writes = self.lock();
        let files = writes.iter_mut().filter(|(owner, _)| of(*owner));
        files.filter_map(|(_, write)| staged_file(&mut **write)).for_each(StagedFile::unkeep);
    }

    /// Takes writes that an earlier run has kept, in the place of an attempt of the same factory. It blocks.
    ///
    /// # Errors
    /// When one of them is not there any more, or is in use; then none is taken.
    pub(crate) fn adopt(&self, owner: Owner, kept: &[KeptWrite]) -> crate::Result<()> {
        let writes: Vec<_> = kept.iter().map(KeptWrite::reopen).collect::<Result<_, _>>()?;
        let enlisted = writes.into_iter().try_for_each(|write| self.enlist(owner, write));
        if enlisted.is_err() {
            self.discard(|of| of == owner);
        }
        enlisted
    }

    /// Makes all writes visible, and gives their targets. It blocks.
    pub(crate) fn commit(&self) -> Result<Vec<String>, CommitError> {
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

fn staged_file(write: &mut dyn StagedWrite) -> Option<&mut StagedFile> {
    let write: &mut dyn Any = write;
    write.downcast_mut()
}

/// Commits one write by itself.
#[cfg(feature = "polars")]
pub(crate) fn commit_now(write: Box<dyn StagedWrite>) -> crate::Result<()> {
    let alone = Transaction::new(Uuid::now_v7(), "", None);
    alone.enlist(Owner { node: 0, attempt: 1 }, write)?;
    alone.commit().map(drop).map_err(CommitError::into_error)
}

/// The steps of a commit, each of which may be the last of the process.
struct Commit {
    writes: Vec<Write>,
    journal: Option<Journal>,
    tickets: Vec<Ticket>,
}

impl Commit {
    /// Puts together what goes to one target, and does all that can fail.
    fn prepare(writes: Vec<Write>) -> Result<Self, CommitError> {
        let mut joined: Vec<Write> = Vec::with_capacity(writes.len());
        let mut writes = writes.into_iter();
        while let Some((owner, write)) = writes.next() {
            let target = write.target();
            let result = match joined.iter_mut().find(|(_, earlier)| earlier.target() == target) {
                Some((_, earlier)) => contained(|| earlier.join(write)),
                None => {
                    joined.push((owner, write));
                    Ok(())
                }
            };
            if let Err(error) = result {
                roll_back(joined.into_iter().chain(writes));
                return Err(CommitError::RolledBack { owner: Some(owner), error });
            }
        }
        let mut this = Self { writes: joined, journal: None, tickets: Vec::new() };
        for index in 0..this.writes.len() {
            let (owner, write) = &mut this.writes[index];
            let owner = *owner;
            if let Err(error) = contained(|| write.prepare()) {
                return Err(this.undo(Some(owner), error));
            }
        }
        Ok(this)
    }

    fn needs_journal(&self) -> bool {
        self.writes.len() > 1 || self.writes.iter().any(|(_, write)| !write.is_one_step())
    }

    /// Commits what needs no journal.
    fn at_once(self) -> Result<Vec<String>, CommitError> {
        let mut targets = Vec::new();
        for (owner, write) in self.writes {
            targets.push(write.target());
            let owner = Some(owner);
            contained(|| write.commit()).map_err(|error| CommitError::RolledBack { owner, error })?;
        }
        Ok(targets)
    }

    /// Writes down who takes part: whatever happens from now on, a later process knows what to remove.
    fn record(&mut self, create: impl FnOnce() -> crate::Result<Journal>) -> Result<(), CommitError> {
        let record = || {
            self.journal = Some(create()?);
            for (_, write) in &mut self.writes {
                self.tickets.push(contained(|| write.ticket())?);
            }
            self.journal.as_mut().map_or(Ok(()), |journal| journal.record(self.tickets.clone()))
        };
        record().map_err(|error| self.undo(None, error))
    }

    /// Gives what is staged the names that the journal says.
    fn arm(&mut self) -> Result<(), CommitError> {
        let armed = self.tickets.iter().try_for_each(Ticket::arm);
        armed.map_err(|error| self.undo(None, error))
    }

    /// From now on, all is new for whoever recovers.
    fn decide(&mut self) -> Result<(), CommitError> {
        let count = self.tickets.len();
        let decided = self.journal.as_mut().map_or(Ok(()), |journal| journal.decide(count));
        decided.map_err(|error| self.undo(None, error))
    }

    fn switch(mut self) -> Result<Vec<String>, CommitError> {
        let (mut committed, mut open, mut failed) = (Vec::new(), Vec::new(), None);
        // One that fails is no reason to leave the others behind.
        for (owner, write) in mem::take(&mut self.writes) {
            let target = write.target();
            match contained(|| write.commit()) {
                Ok(()) => committed.push(target),
                Err(error) => {
                    open.push(target);
                    failed.get_or_insert((owner, error));
                }
            }
        }
        match failed {
            Some((owner, error)) => {
                Err(CommitError::Unfinished { owner: Some(owner), error, committed, open })
            }
            None => {
                // All is visible. A journal that cannot be removed is one of finished steps, which do nothing again.
                let _ = self.journal.take().map(Journal::remove);
                Ok(committed)
            }
        }
    }

    /// Nothing is visible yet. If it is certain that nobody takes the journal for a decided one, all is rolled back.
    fn undo(&mut self, owner: Option<Owner>, error: Error) -> CommitError {
        let writes = mem::take(&mut self.writes);
        if let Some(Err(_)) = self.journal.take().map(Journal::remove) {
            let open = writes.iter().map(|(_, write)| write.target()).collect();
            return CommitError::Unfinished { owner, error, committed: Vec::new(), open };
        }
        roll_back(writes);
        CommitError::RolledBack { owner, error }
    }
}

/// Calls what others wrote: one write that panics must not keep the others from their ends.
fn contained<T>(call: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    caught(call).unwrap_or_else(|panic| Err(Error::msg(panic.line())))
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

fn roll_back(writes: impl IntoIterator<Item = Write>) -> Vec<Error> {
    writes.into_iter().filter_map(|(_, write)| contained(|| write.rollback()).err()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;
