//! The steps of a commit. The process may die after any of them.

use std::collections::BTreeSet;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::disk;
use super::error::WriteError;
use super::journal::Journal;
use super::lock::{self, TargetLock};
use super::ticket::{FileStep, RecoveryTicket};
use super::transaction::{CommitError, Owner, Write, staged_file};
use crate::Error;

/// Writes that are being committed. The locks of their targets are held until this value is dropped, so that no other
/// commit interferes.
pub(super) struct Commit {
    pub(super) writes: Vec<Write>,
    locks: Vec<TargetLock>,
    one_step: bool,
    pub(super) journal: Option<Journal>,
    pub(super) tickets: Vec<RecoveryTicket>,
}

impl Commit {
    /// Joins the writes to the same target, locks the targets, and does all work that can fail.
    pub(super) fn prepare(writes: Vec<Write>) -> Result<Self, CommitError> {
        let mut joined: Vec<Write> = Vec::with_capacity(writes.len());
        let mut writes = writes.into_iter();
        while let Some(write) = writes.next() {
            let Some(earlier) = joined.iter_mut().find(|earlier| earlier.target == write.target) else {
                joined.push(write);
                continue;
            };
            let owner = write.owner;
            if let Err(error) = contained(|| earlier.staged.join(write.staged)) {
                roll_back(joined.into_iter().chain(writes));
                return Err(CommitError::RolledBack { owner: Some(owner), error });
            }
        }
        let (locks, journal, tickets) = (Vec::new(), None, Vec::new());
        let mut this = Self { writes: joined, locks, one_step: true, journal, tickets };
        if let Err(error) = this.lock() {
            let target = match &error {
                WriteError::Busy { target }
                | WriteError::Pending { target, .. }
                | WriteError::Twice { target } => Some(target),
                _ => None,
            };
            let owner =
                this.writes.iter().find(|write| Some(&write.target) == target).map(|write| write.owner);
            return Err(this.undo(owner, error.into()));
        }
        for index in 0..this.writes.len() {
            let Write { owner, staged, .. } = &mut this.writes[index];
            let owner = *owner;
            match contained(|| staged.prepare().map(|()| staged.is_one_step())) {
                Ok(one_step) => this.one_step &= one_step,
                Err(error) => return Err(this.undo(Some(owner), error)),
            }
        }
        Ok(this)
    }

    fn lock(&mut self) -> Result<(), WriteError> {
        let files = self.writes.iter_mut().filter_map(|write| staged_file(&mut *write.staged));
        let mut files: Vec<_> = files.map(|file| (file.lock_with_others(), file)).collect();
        self.locks = lock::take_all(&mut files)?;
        Ok(())
    }

    pub(super) fn needs_journal(&self) -> bool {
        self.writes.len() > 1 || !self.one_step
    }

    /// Commits a write that needs no journal.
    pub(super) fn at_once(mut self) -> Result<Vec<String>, CommitError> {
        let mut committed = Vec::new();
        for Write { owner, target, staged } in mem::take(&mut self.writes) {
            let owner = Some(owner);
            match contained(|| staged.commit()) {
                Ok(()) => committed.push(target),
                Err(error) if matches!(error.downcast_ref(), Some(WriteError::Unflushed { .. })) => {
                    committed.push(target);
                    return Err(CommitError::Unfinished { owner, error, committed, open: Vec::new() });
                }
                Err(error) => return Err(CommitError::RolledBack { owner, error }),
            }
        }
        Ok(committed)
    }

    /// Records the tickets of all writes. From now on, a later process knows which entries to remove.
    pub(super) fn record(
        &mut self,
        create: impl FnOnce() -> crate::Result<Journal>,
    ) -> Result<(), CommitError> {
        let record = || {
            let journal = self.journal.insert(create()?);
            for write in &mut self.writes {
                self.tickets.push(contained(|| write.staged.ticket())?);
            }
            journal.record(self.tickets.clone())?;
            self.locks.iter().try_for_each(|lock| lock.set_note(journal.path()))?;
            Ok(())
        };
        record().map_err(|error| self.undo(None, error))
    }

    /// Renames the staged entries to the names in the journal.
    pub(super) fn arm(&mut self) -> Result<(), CommitError> {
        let armed = self.tickets.iter().try_for_each(RecoveryTicket::arm).and_then(|()| Ok(self.sync()?));
        armed.map_err(|error| self.undo(None, error))
    }

    /// Flushes the directory of each target once.
    fn sync(&self) -> Result<(), WriteError> {
        let steps = self.tickets.iter().flat_map(RecoveryTicket::steps);
        let directories: BTreeSet<_> = steps.map(|step| disk::directory_of(step.target_path())).collect();
        let mut directories = directories.into_iter();
        directories.try_for_each(|path| disk::sync_directory(path).map_err(WriteError::io("flush", path)))
    }

    /// Records the decision. From now on, a recovery completes all writes.
    pub(super) fn decide(&mut self) -> Result<(), CommitError> {
        let count = self.tickets.len();
        let decided = self.journal.as_mut().map_or(Ok(()), |journal| journal.decide(count));
        decided.map_err(|error| self.undo(None, error))
    }

    pub(super) fn switch(mut self) -> Result<Vec<String>, CommitError> {
        let (mut committed, mut open, mut failed) = (Vec::new(), Vec::new(), None);
        let mut settled = Vec::new();
        // A failed write does not stop the others.
        for (index, Write { owner, target, staged }) in mem::take(&mut self.writes).into_iter().enumerate() {
            match contained(|| staged.commit()) {
                Ok(()) => {
                    committed.push(target);
                    settled.push(index);
                }
                Err(error) => {
                    open.push(target);
                    failed.get_or_insert((Some(owner), error));
                }
            }
        }
        if let Err(error) = self.sync() {
            // No switch is certain to be durable, so all of them are repeated.
            settled.clear();
            failed.get_or_insert((None, error.into()));
        }
        let journal = self.journal.take();
        if let Some((owner, error)) = failed {
            let _ = journal.map(|mut journal| journal.settle(settled.clone()));
            self.clear_notes(|index| settled.contains(&index));
            return Err(CommitError::Unfinished { owner, error, committed, open });
        }
        // All writes are visible. If the journal cannot be removed, its tickets are recorded as settled.
        if let Some(mut journal) = journal
            && journal.remove().is_err()
        {
            let _ = journal.settle(settled);
        }
        self.clear_notes(|_| true);
        Ok(committed)
    }

    /// Removes the notes beside the targets of these tickets.
    fn clear_notes(&self, of: impl Fn(usize) -> bool) {
        let of_tickets = self.tickets.iter().enumerate().filter(|(index, _)| of(*index));
        let targets: BTreeSet<_> =
            of_tickets.flat_map(|(_, ticket)| ticket.steps()).map(FileStep::target_path).collect();
        self.locks.iter().filter(|lock| targets.contains(lock.target())).for_each(TargetLock::clear_note);
    }

    /// Undoes a commit of which nothing is visible yet. The writes are rolled back only if it is certain that no process
    /// takes the journal for a decided one.
    fn undo(&mut self, owner: Option<Owner>, error: Error) -> CommitError {
        let writes = mem::take(&mut self.writes);
        if let Some(journal) = self.journal.take() {
            if journal.remove().is_err() {
                let open = writes.into_iter().map(|write| write.target).collect();
                return CommitError::Unfinished { owner, error, committed: Vec::new(), open };
            }
            self.locks.iter().for_each(TargetLock::clear_note);
        }
        roll_back(writes);
        CommitError::RolledBack { owner, error }
    }
}

/// Calls code of a [`StagedWrite`](crate::StagedWrite). Its panic becomes an error, so that the other writes are still
/// completed.
pub(super) fn contained<T>(call: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => match panic.downcast::<&str>() {
                Ok(text) => (*text).to_owned(),
                Err(other) => {
                    // Dropping the payload may panic again.
                    mem::forget(other);
                    "a panic without a message".to_owned()
                }
            },
        };
        Err(Error::msg(format!("panic: {text}")))
    })
}

pub(super) fn roll_back(writes: impl IntoIterator<Item = Write>) -> Vec<Error> {
    writes.into_iter().filter_map(|write| contained(|| write.staged.rollback()).err()).collect()
}
