//! What a later process needs to finish or undo a write.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{self, Identity};
use super::error::WriteError;
use super::{aside, written};

/// What becomes of a write whose process has died; [`Connector::settle`](../storage/trait.Connector.html) is told it.
///
/// ```
/// use setl_commit::Decision;
///
/// fn statement(token: &str, decision: Decision) -> String {
///     match decision {
///         Decision::Commit => format!("commit prepared '{token}'"),
///         Decision::Rollback => format!("rollback prepared '{token}'"),
///     }
/// }
/// # assert_eq!(statement("a", Decision::Rollback), "rollback prepared 'a'");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The write is to become visible.
    Commit,
    /// The write is to be gone.
    Rollback,
}

/// What a later process needs to finish or undo a write whose process has died.
///
/// It is written into the journal of the run.
///
/// ```
/// use setl_commit::Ticket;
///
/// // What a database takes for `commit prepared`.
/// let ticket = Ticket::Place { place: "table delays".into(), token: "setl-42".into() };
/// # assert_ne!(ticket, Ticket::None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Ticket {
    /// Nothing of the write outlives the process: what becomes of it is decided with the process.
    None,
    /// Files or directories that are put in the place of others.
    Files {
        /// One after the other.
        steps: Vec<FileStep>,
    },
    /// Something that another system has prepared. It is settled by the connector of that name, as soon as one is used.
    Place {
        /// What [`StagedWrite::target`](super::StagedWrite::target) says.
        place: String,
        /// By what the other system knows the write, such as the name of a prepared transaction.
        token: String,
    },
}

/// A file or directory that is put in the place of another; a [`StagedFile`](super::StagedFile) gives it in its ticket.
///
/// ```
/// use setl_commit::{StagedFile, StagedWrite, Ticket};
///
/// # let target = std::env::temp_dir().join(format!("setl-ticket-{}", std::process::id()));
/// let mut staged = StagedFile::beside(&target)?;
/// staged.prepare()?;
/// assert!(matches!(staged.ticket()?, Ticket::Files { steps } if steps.len() == 1));
/// Box::new(staged).rollback()?;
/// # Ok::<(), setl_commit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileStep {
    /// Where the new content is before a journal names it.
    #[serde(with = "written")]
    pub(super) aside: PathBuf,
    /// Where the new content is once a journal names it.
    #[serde(with = "written")]
    pub(super) ready: PathBuf,
    #[serde(with = "written")]
    pub(super) target: PathBuf,
    pub(super) expect: Expect,
    /// By which the new content is known where it is in its place.
    pub(super) number: Option<u64>,
    pub(super) directory: Option<Directory>,
    /// What went into the new content, and is of no use after it is in its place.
    #[serde(with = "written::all")]
    pub(super) scrap: Vec<PathBuf>,
}

/// What must be at the target, so that nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Expect {
    Anything,
    Nothing,
    /// Nothing; if there is something all the same, it stays.
    NothingOrStay,
    Same(Identity),
}

/// What becomes of the directory that is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Directory {
    /// Where the old directory is between two renames.
    #[serde(with = "written")]
    pub(super) old: PathBuf,
    /// Where it is while it is removed: a name that says that it can be.
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

    /// Checks that it names nothing but the target and what is staged beside that, so that whatever a journal says, nothing
    /// else is touched.
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

    /// Checks that the directory of the target is there, and is the one that was meant.
    pub(super) fn check_directory(&self) -> Result<(), WriteError> {
        let directory = disk::directory_of(&self.target);
        let found = fs::canonicalize(directory).map_err(WriteError::io("find the directory", directory))?;
        if found != directory {
            return Err(WriteError::Moved { target: self.target(), found });
        }
        Ok(())
    }

    /// Gives the new content the name that the journal says. It is for certain once the directory is flushed.
    pub(super) fn arm(&self) -> Result<(), WriteError> {
        fs::rename(&self.aside, &self.ready).map_err(WriteError::io("rename", &self.aside))
    }

    /// Puts the new content in its place. It may be done again, however far it came. It is for certain once the directory is
    /// flushed.
    ///
    /// Whoever calls it has the lock of the target.
    pub(super) fn forward(&self) -> Result<(), WriteError> {
        match &self.directory {
            None => self.replace()?,
            Some(directory) => self.exchange(directory)?,
        }
        for path in &self.scrap {
            let _ = disk::remove(path);
        }
        Ok(())
    }

    /// Removes the new content; what a checkpoint keeps gets its name back. The target was never touched.
    pub(super) fn back(&self) -> Result<(), WriteError> {
        if let Err(WriteError::Io { source, .. }) = self.check_directory()
            && source.kind() == ErrorKind::NotFound
        {
            // With its directory, all that was staged is gone.
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

    /// Leaves the target as it is, and gives the new content a name that nobody removes.
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
        // Where the two were exchanged, it is the old directory.
        let is_new = self.number.is_none() || disk::number(&self.ready) == self.number;
        if !is_new || !disk::is_there(&self.ready) {
            return Ok(None);
        }
        let aside = aside::set_aside_path(&self.ready);
        fs::rename(&self.ready, &aside).map_err(WriteError::io("rename", &self.ready))?;
        self.sync()?;
        Ok(Some(aside))
    }

    /// Makes renames beside the target survive a crash.
    pub(super) fn sync(&self) -> Result<(), WriteError> {
        let directory = disk::directory_of(&self.target);
        disk::sync_directory(directory).map_err(WriteError::io("flush", directory))
    }

    /// Where nothing is ready: that is so because it was put in its place before, or it is an error.
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

    /// Takes the place only if nobody has.
    fn rename_new(&self) -> Result<(), WriteError> {
        match disk::rename_new(&self.ready, &self.target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // A link that was made when the process died.
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

    /// Checks that the target is what it was. Commits have the lock of the target, so that only who knows of no locks can
    /// change it from then on.
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
                // There was nothing, or two renames were interrupted between the first and the second.
                self.rename_new()?;
            }
        } else if !is_exchanged {
            self.over()?;
        }
        self.sync()?;
        self.remove_old(directory);
        Ok(())
    }

    /// Whether it is the old directory that is at the place of the new one.
    fn is_exchanged(&self) -> Result<bool, WriteError> {
        let Some(number) = self.number else {
            return Ok(false);
        };
        if !disk::is_there(&self.ready) || disk::number(&self.ready) == Some(number) {
            return Ok(false);
        }
        // One of the two is to be removed, so it must be certain which.
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

    /// Removes the directory that was replaced. If this is interrupted, its name says that it is to be removed.
    fn remove_old(&self, directory: &Directory) {
        for path in [&directory.trash, &self.ready, &directory.old] {
            if path == &directory.trash || fs::rename(path, &directory.trash).is_ok() {
                let _ = disk::remove(&directory.trash);
            }
        }
    }
}

impl Ticket {
    /// What is to be renamed before the decision, so that nobody takes it for a left-over.
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
