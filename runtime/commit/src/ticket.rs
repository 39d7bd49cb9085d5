//! The data that a later process needs to finish or undo a write.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{self, Identity};
use super::error::WriteError;
use super::{aside, written};

/// The decision on a write whose process has died; [`Connector::settle`](../storage/trait.Connector.html) receives it.
///
/// ```
/// use setl_commit::CommitDecision;
///
/// fn statement(token: &str, decision: CommitDecision) -> String {
///     match decision {
///         CommitDecision::Commit => format!("commit prepared '{token}'"),
///         CommitDecision::Rollback => format!("rollback prepared '{token}'"),
///     }
/// }
/// # assert_eq!(statement("a", CommitDecision::Rollback), "rollback prepared 'a'");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitDecision {
    /// The write must become visible.
    Commit,
    /// The write must be discarded.
    Rollback,
}

/// The data that a later process needs to finish or undo a write whose process has died.
///
/// It is recorded in the journal of the run.
///
/// ```
/// use setl_commit::RecoveryTicket;
///
/// // What a database takes for `commit prepared`.
/// let ticket = RecoveryTicket::Place { place: "table delays".into(), token: "setl-42".into() };
/// # assert_ne!(ticket, RecoveryTicket::None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RecoveryTicket {
    /// Nothing of the write outlives the process, so the write ends with the process.
    None,
    /// Files or directories that replace others.
    Files {
        /// The steps, executed one after the other.
        steps: Vec<FileStep>,
    },
    /// A write that another system has prepared. The connector of that place settles it as soon as a run uses the
    /// connector.
    Place {
        /// The text of [`StagedWrite::target`](super::StagedWrite::target).
        place: String,
        /// The identifier of the write in the other system, such as the name of a prepared transaction.
        token: String,
    },
}

/// A file or directory that replaces another. A [`StagedFile`](super::StagedFile) puts it in its ticket.
///
/// ```
/// use setl_commit::{StagedFile, StagedWrite, RecoveryTicket};
///
/// # let target = std::env::temp_dir().join(format!("setl-ticket-{}", std::process::id()));
/// let mut staged = StagedFile::beside(&target)?;
/// staged.prepare()?;
/// assert!(matches!(staged.ticket()?, RecoveryTicket::Files { steps } if steps.len() == 1));
/// Box::new(staged).rollback()?;
/// # Ok::<(), setl_commit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileStep {
    /// The path of the new content before a journal names it.
    #[serde(with = "written")]
    pub(super) aside: PathBuf,
    /// The path of the new content once a journal names it.
    #[serde(with = "written")]
    pub(super) ready: PathBuf,
    #[serde(with = "written")]
    pub(super) target: PathBuf,
    pub(super) expect: Expect,
    /// The inode number that identifies the new content in its place.
    pub(super) number: Option<u64>,
    pub(super) directory: Option<Directory>,
    /// The pieces that were merged into the new content. They are useless once the content is in its place.
    #[serde(with = "written::all")]
    pub(super) scrap: Vec<PathBuf>,
}

/// The expected state of the target, so that no data is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Expect {
    Anything,
    Nothing,
    /// The target must not exist. If it exists all the same, it stays.
    NothingOrStay,
    Same(Identity),
}

/// The paths of a directory while it is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Directory {
    /// The path of the old directory between two renames.
    #[serde(with = "written")]
    pub(super) old: PathBuf,
    /// The path of the old directory while it is removed. The name marks it as removable.
    #[serde(with = "written")]
    pub(super) trash: PathBuf,
}

impl FileStep {
    pub(super) fn target(&self) -> String {
        disk::name_of(&self.target)
    }

    pub(super) fn target_path(&self) -> &Path {
        &self.target
    }

    /// Checks that the step names only the target and staged entries beside it. So a journal can never cause another file
    /// to be touched.
    pub(super) fn check(&self) -> Result<(), WriteError> {
        let directory = self.directory.iter().flat_map(|directory| [&directory.old, &directory.trash]);
        let staged = [&self.aside, &self.ready].into_iter().chain(directory).chain(&self.scrap);
        match staged.into_iter().find(|path| !aside::is_of(path, &self.target)) {
            None if self.target.is_absolute() => Ok(()),
            other => {
                let path = other.unwrap_or(&self.target).clone();
                Err(WriteError::NotStaged { target: self.target(), path })
            }
        }
    }

    /// Checks that the directory of the target exists and does not resolve to another one.
    pub(super) fn check_directory(&self) -> Result<(), WriteError> {
        let directory = disk::directory_of(&self.target);
        let found = fs::canonicalize(directory).map_err(WriteError::io("find the directory", directory))?;
        if found != directory {
            return Err(WriteError::Moved { target: self.target(), found });
        }
        Ok(())
    }

    /// Gives the new content the name in the journal. The rename is durable once the directory is flushed.
    pub(super) fn arm(&self) -> Result<(), WriteError> {
        fs::rename(&self.aside, &self.ready).map_err(WriteError::io("rename", &self.aside))
    }

    /// Puts the new content in its place. It can be repeated after any interruption. The switch is durable once the
    /// directory is flushed.
    ///
    /// The caller holds the lock of the target.
    pub(super) fn forward(&self) -> Result<(), WriteError> {
        self.switch()?;
        if self.directory.is_some() {
            self.sync()?;
        }
        self.tidy();
        Ok(())
    }

    /// The part of [`forward`](Self::forward) that makes the new content visible.
    pub(super) fn switch(&self) -> Result<(), WriteError> {
        match &self.directory {
            None => self.replace(),
            Some(directory) => self.exchange(directory),
        }
    }

    /// Removes what is useless once the switch is durable: an old directory, and the merged pieces.
    pub(super) fn tidy(&self) {
        if let Some(directory) = &self.directory {
            self.remove_old(directory);
        }
        for path in &self.scrap {
            let _ = disk::remove(path);
        }
    }

    /// Removes the new content. A piece that a checkpoint keeps gets its old name back. The target was never touched.
    pub(super) fn back(&self) -> Result<(), WriteError> {
        if let Err(WriteError::Io { source, .. }) = self.check_directory()
            && source.kind() == ErrorKind::NotFound
        {
            // All staged entries are gone together with the directory.
            return Ok(());
        }
        self.check_directory()?;
        if self.ready != self.aside && aside::is_kept(&self.aside) {
            let renamed = disk::if_there(fs::rename(&self.ready, &self.aside));
            renamed.map_err(WriteError::io("rename", &self.ready))?;
        } else {
            for path in [&self.ready, &self.aside] {
                disk::remove(path).map_err(WriteError::io("remove", path))?;
            }
        }
        self.sync()
    }

    /// Leaves the target unchanged, and gives the new content a name that no run removes.
    pub(super) fn set_aside(&self) -> Result<Option<PathBuf>, WriteError> {
        if !disk::is_there(disk::directory_of(&self.target)) {
            return Ok(None);
        }
        self.check_directory()?;
        if let Some(directory) = &self.directory
            && !disk::is_there(&self.target)
        {
            let back = disk::if_there(fs::rename(&directory.old, &self.target));
            back.map_err(WriteError::io("rename", &directory.old))?;
        }
        // If the two were exchanged, the ready entry is the old directory.
        let is_new = self.number.is_none() || disk::number(&self.ready) == self.number;
        if !is_new || !disk::is_there(&self.ready) {
            return Ok(None);
        }
        let aside = aside::set_aside_path(&self.ready);
        fs::rename(&self.ready, &aside).map_err(WriteError::io("rename", &self.ready))?;
        self.sync()?;
        Ok(Some(aside))
    }

    /// Makes the renames beside the target durable.
    pub(super) fn sync(&self) -> Result<(), WriteError> {
        let directory = disk::directory_of(&self.target);
        disk::sync_directory(directory).map_err(WriteError::io("flush", directory))
    }

    /// Handles a missing ready entry: either it was put in its place before, or this is an error.
    fn over(&self) -> Result<(), WriteError> {
        let placed = self.number.is_none() || disk::number(&self.target) == self.number;
        if placed || self.expect == Expect::NothingOrStay {
            return Ok(());
        }
        Err(WriteError::Lost { target: self.target() })
    }

    fn replace(&self) -> Result<(), WriteError> {
        let refused = || WriteError::io("replace", &self.target);
        let found = disk::if_there(fs::symlink_metadata(&self.ready)).map_err(refused())?;
        if found.is_none() {
            return self.over();
        }
        match &self.expect {
            Expect::Anything => fs::rename(&self.ready, &self.target).map_err(refused()),
            Expect::Nothing | Expect::NothingOrStay => self.rename_new(),
            Expect::Same(identity) => {
                self.check_same(identity)?;
                fs::rename(&self.ready, &self.target).map_err(refused())
            }
        }
    }

    /// Renames the ready entry to the target, only if the target does not exist.
    fn rename_new(&self) -> Result<(), WriteError> {
        match disk::rename_new(&self.ready, &self.target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // The process died after it had made a hard link.
                let ready = disk::number(&self.ready);
                let ours = ready.is_some() && ready == disk::number(&self.target);
                if ours || self.expect == Expect::NothingOrStay {
                    disk::remove(&self.ready).map_err(WriteError::io("remove", &self.ready))
                } else {
                    Err(WriteError::Exists { target: self.target() })
                }
            }
            result => result.map_err(WriteError::io("create", &self.target)),
        }
    }

    /// Checks that the target has not changed. Commits hold the lock of the target, so only a program that ignores locks
    /// can change it from now on.
    fn check_same(&self, identity: &Identity) -> Result<(), WriteError> {
        let found = Identity::of(&self.target).map_err(WriteError::io("read", &self.target))?;
        if found.as_ref() == Some(identity) {
            Ok(())
        } else {
            Err(WriteError::Changed { target: self.target() })
        }
    }

    fn exchange(&self, directory: &Directory) -> Result<(), WriteError> {
        let is_exchanged = self.is_exchanged()?;
        if disk::is_there(&self.ready) && !is_exchanged {
            if disk::is_there(&self.target) {
                self.exchange_existing(directory)?;
            } else if !disk::is_there(&directory.old) && matches!(self.expect, Expect::Same(_)) {
                return Err(WriteError::Changed { target: self.target() });
            } else {
                // The target did not exist, or the process died between the two renames.
                self.rename_new()?;
            }
        } else if !is_exchanged {
            self.over()?;
        }
        Ok(())
    }

    /// `true` if the old directory is at the path of the new one.
    fn is_exchanged(&self) -> Result<bool, WriteError> {
        let Some(number) = self.number else {
            return Ok(false);
        };
        if !disk::is_there(&self.ready) || disk::number(&self.ready) == Some(number) {
            return Ok(false);
        }
        // One of the two directories will be removed, so it must be certain which is the old one.
        if disk::number(&self.target) == Some(number) {
            return Ok(true);
        }
        Err(WriteError::Changed { target: self.target() })
    }

    fn exchange_existing(&self, directory: &Directory) -> Result<(), WriteError> {
        let refused = || WriteError::io("replace", &self.target);
        match &self.expect {
            Expect::Anything => {}
            Expect::Same(identity) => self.check_same(identity)?,
            Expect::Nothing => return Err(WriteError::Exists { target: self.target() }),
            Expect::NothingOrStay => {
                return disk::remove(&self.ready).map_err(WriteError::io("remove", &self.ready));
            }
        }
        if !disk::exchange(&self.ready, &self.target).map_err(refused())? {
            fs::rename(&self.target, &directory.old).map_err(refused())?;
            fs::rename(&self.ready, &self.target).map_err(refused())?;
        }
        Ok(())
    }

    /// Removes the replaced directory. If the removal is interrupted, the name still marks it as removable.
    fn remove_old(&self, directory: &Directory) {
        for path in [&directory.trash, &self.ready, &directory.old] {
            if path == &directory.trash || fs::rename(path, &directory.trash).is_ok() {
                let _ = disk::remove(&directory.trash);
            }
        }
    }
}

impl RecoveryTicket {
    /// Renames the staged entries before the decision, so that no process takes them for left-overs.
    pub(super) fn arm(&self) -> crate::Result<()> {
        self.steps().iter().try_for_each(FileStep::arm)?;
        Ok(())
    }

    pub(super) fn steps(&self) -> &[FileStep] {
        match self {
            Self::Files { steps } => steps,
            Self::None | Self::Place { .. } => &[],
        }
    }
}
