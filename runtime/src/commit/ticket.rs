//! What a later process needs to finish or undo a write.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::aside;
use super::disk::{self, Identity, Locked};
use super::error::WriteError;

/// Whether the run that made a write was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The write is to become visible.
    Commit,
    /// The write is to be gone.
    Rollback,
}

/// What a later process needs to finish or undo a write whose process has died.
///
/// It is written into the journal of the run, and stays readable for later versions.
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

/// A file or directory that is put in the place of another; made by [`StagedFile`](super::StagedFile).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileStep {
    /// Where the new content is before a journal names it.
    pub(super) aside: PathBuf,
    /// Where the new content is once a journal names it.
    pub(super) ready: PathBuf,
    pub(super) target: PathBuf,
    pub(super) expect: Expect,
    pub(super) directory: Option<Directory>,
    /// What went into the new content, and is of no use after it is in its place.
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

/// A directory is in its place when the target has its number; without one, two renames tell how far they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Directory {
    pub(super) node: Option<(u64, u64)>,
    /// Where the old directory is between two renames.
    pub(super) old: PathBuf,
    /// Where it is while it is removed: a name that says that it can be.
    pub(super) trash: PathBuf,
}

impl FileStep {
    pub(super) fn target(&self) -> String {
        self.target.display().to_string()
    }

    /// Gives the new content the name that the journal says.
    pub(super) fn arm(&self) -> Result<(), WriteError> {
        fs::rename(&self.aside, &self.ready).map_err(WriteError::io("rename", &self.aside))?;
        self.sync()
    }

    /// Puts the new content in its place. It may be done again, however far it came.
    pub(super) fn forward(&self) -> Result<(), WriteError> {
        match &self.directory {
            None => self.replace()?,
            Some(directory) => self.exchange(directory)?,
        }
        self.sync()?;
        for path in &self.scrap {
            let _ = disk::remove(path);
        }
        Ok(())
    }

    /// Removes the new content; what a checkpoint keeps gets its name back. The target was never touched.
    pub(super) fn back(&self) -> Result<(), WriteError> {
        if self.ready != self.aside && aside::is_kept(&self.aside) {
            return match disk::if_there(fs::rename(&self.ready, &self.aside)) {
                Ok(_) => self.sync(),
                Err(source) => Err(WriteError::io("rename", &self.ready)(source)),
            };
        }
        for path in [&self.ready, &self.aside] {
            disk::remove(path).map_err(WriteError::io("remove", path))?;
        }
        self.sync()
    }

    /// Whether nothing is left to do or undo.
    pub(super) fn is_over(&self) -> bool {
        disk::node(&self.ready).is_none() && !self.ready.exists()
    }

    fn sync(&self) -> Result<(), WriteError> {
        let directory = disk::directory_of(&self.target);
        disk::sync_directory(directory).map_err(WriteError::io("flush", directory))
    }

    fn replace(&self) -> Result<(), WriteError> {
        let refused = |path: &Path| WriteError::io("replace", path);
        match disk::if_there(fs::symlink_metadata(&self.ready)) {
            Ok(Some(_)) => {}
            // It has been put in its place before.
            Ok(None) => return Ok(()),
            Err(source) => return Err(refused(&self.ready)(source)),
        }
        match &self.expect {
            Expect::Anything => fs::rename(&self.ready, &self.target).map_err(refused(&self.target)),
            Expect::Nothing | Expect::NothingOrStay => self.rename_new(),
            Expect::Same(identity) => {
                let _lock = self.check_same(identity)?;
                fs::rename(&self.ready, &self.target).map_err(refused(&self.target))
            }
        }
    }

    /// Takes the place only if nobody has.
    fn rename_new(&self) -> Result<(), WriteError> {
        match disk::rename_new(&self.ready, &self.target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let ours =
                    disk::node(&self.ready).is_some() && disk::node(&self.ready) == disk::node(&self.target);
                if ours || self.expect == Expect::NothingOrStay {
                    disk::remove(&self.ready).map_err(WriteError::io("remove", &self.ready))
                } else {
                    Err(WriteError::Exists { target: self.target() })
                }
            }
            result => result.map_err(WriteError::io("create", &self.target)),
        }
    }

    /// Checks that the target is what it was. While the lock is held, no other process that does the same changes it.
    fn check_same(&self, identity: &Identity) -> Result<Locked, WriteError> {
        let changed = || WriteError::Changed { target: self.target() };
        let read = || WriteError::io("read", &self.target);
        let lock = match disk::lock(&self.target).map_err(read())? {
            Locked::Busy | Locked::Gone => return Err(changed()),
            lock => lock,
        };
        match Identity::of(&self.target).map_err(read())? {
            Some(found) if found == *identity => Ok(lock),
            _ => Err(changed()),
        }
    }

    fn exchange(&self, directory: &Directory) -> Result<(), WriteError> {
        let there = |path: &Path| fs::symlink_metadata(path).is_ok();
        let refused = |path: &Path| WriteError::io("replace", path);
        let is_new = directory.node.is_none() || disk::node(&self.ready) == directory.node;
        if there(&self.ready) && is_new {
            if there(&directory.old) && !there(&self.target) {
                // Two renames were interrupted between the first and the second.
                fs::rename(&self.ready, &self.target).map_err(refused(&self.target))?;
            } else if !there(&self.target) && !matches!(self.expect, Expect::Same(_)) {
                fs::rename(&self.ready, &self.target).map_err(refused(&self.target))?;
            } else {
                let _lock = match &self.expect {
                    Expect::Anything => None,
                    Expect::Same(identity) => Some(self.check_same(identity)?),
                    Expect::Nothing => return Err(WriteError::Exists { target: self.target() }),
                    Expect::NothingOrStay => {
                        return disk::remove(&self.ready).map_err(WriteError::io("remove", &self.ready));
                    }
                };
                if !disk::exchange(&self.ready, &self.target).map_err(refused(&self.target))? {
                    fs::rename(&self.target, &directory.old).map_err(refused(&self.target))?;
                    fs::rename(&self.ready, &self.target).map_err(refused(&self.target))?;
                }
            }
        }
        self.sync()?;
        self.remove_old(directory);
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
