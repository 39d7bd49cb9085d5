//! What a later process needs to finish or undo a write.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::aside;
use super::disk::{self, Identity, Locked};
use super::error::WriteError;

/// What becomes of a write whose process has died; [`Connector::settle`](../storage/trait.Connector.html) is told it.
///
/// ```
/// use setl::commit::Decision;
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

/// How often a lock is tried that somebody else has, a hundredth of a second apart.
const PATIENCE: usize = 50;

/// What a later process needs to finish or undo a write whose process has died.
///
/// It is written into the journal of the run.
///
/// ```
/// use setl::commit::Ticket;
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
/// use setl::commit::{StagedFile, StagedWrite, Ticket};
///
/// # let target = std::env::temp_dir().join(format!("setl-ticket-{}", std::process::id()));
/// let mut staged = StagedFile::beside(&target)?;
/// staged.prepare()?;
/// assert!(matches!(staged.ticket()?, Ticket::Files { steps } if steps.len() == 1));
/// Box::new(staged).rollback()?;
/// # Ok::<(), setl::Error>(())
/// ```
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
    pub(super) number: Option<u64>,
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
        !disk::is_there(&self.ready)
    }

    fn sync(&self) -> Result<(), WriteError> {
        let directory = disk::directory_of(&self.target);
        disk::sync_directory(directory).map_err(WriteError::io("flush", directory))
    }

    fn replace(&self) -> Result<(), WriteError> {
        let refused = || WriteError::io("replace", &self.target);
        let found = disk::if_there(fs::symlink_metadata(&self.ready)).map_err(refused())?;
        if found.is_none() {
            // It has been put in its place before.
            return Ok(());
        }
        match &self.expect {
            Expect::Anything => fs::rename(&self.ready, &self.target).map_err(refused()),
            Expect::Nothing | Expect::NothingOrStay => self.rename_new(),
            Expect::Same(identity) => {
                let _lock = self.check_same(identity)?;
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

    /// Checks that the target is what it was. While the lock is held, no other process that does the same changes it.
    fn check_same(&self, identity: &Identity) -> Result<Locked, WriteError> {
        let read = || WriteError::io("read", &self.target);
        let mut lock = disk::lock(&self.target).map_err(read())?;
        // Whoever has it is about to change it, or has just done so, or has been forked off and is about to let go.
        for _ in 0..PATIENCE {
            if !matches!(lock, Locked::Busy) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            lock = disk::lock(&self.target).map_err(read())?;
        }
        let same = Identity::of(&self.target).map_err(read())?.as_ref() == Some(identity);
        if same && matches!(lock, Locked::Yes(_) | Locked::Unsupported) {
            Ok(lock)
        } else {
            Err(WriteError::Changed { target: self.target() })
        }
    }

    fn exchange(&self, directory: &Directory) -> Result<(), WriteError> {
        if disk::is_there(&self.ready) && !self.is_exchanged(directory)? {
            if disk::is_there(&self.target) {
                self.exchange_existing(directory)?;
            } else if !disk::is_there(&directory.old) && matches!(self.expect, Expect::Same(_)) {
                return Err(WriteError::Changed { target: self.target() });
            } else {
                // There was nothing, or two renames were interrupted between the first and the second.
                self.rename_new()?;
            }
        }
        self.sync()?;
        self.remove_old(directory);
        Ok(())
    }

    /// Whether it is the old directory that is at the place of the new one.
    fn is_exchanged(&self, directory: &Directory) -> Result<bool, WriteError> {
        let Some(number) = directory.number else {
            return Ok(false);
        };
        if disk::number(&self.ready) == Some(number) {
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
        let _lock = match &self.expect {
            Expect::Anything => None,
            Expect::Same(identity) => Some(self.check_same(identity)?),
            Expect::Nothing => return Err(WriteError::Exists { target: self.target() }),
            Expect::NothingOrStay => {
                return disk::remove(&self.ready).map_err(WriteError::io("remove", &self.ready));
            }
        };
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
