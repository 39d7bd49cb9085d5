//! Staged files that outlive their run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::disk::{self, Identity};
use super::error::WriteError;
use super::file::{How, StagedFile};
use super::merge::Recipe;
use super::{StagedWrite, aside, written};

/// A staged file that is kept on disk for a later run.
/// A staged file that is kept on disk for a later run.
///
/// The named files stay until the write is committed or [`discard`](Self::discard) is called. Neither dropping this value
/// nor rolling back a write that was opened from it removes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWrite {
    /// The path as the factory named it: a relative path means another file in another working directory.
    #[serde(with = "written")]
    pub(super) place: PathBuf,
    #[serde(with = "written")]
    pub(super) target: PathBuf,
    pub(super) how: How,
    pub(super) base: Option<Identity>,
    pub(super) recipe: Recipe,
    /// The written pieces, each with its identity.
    #[serde(with = "written::pairs")]
    pub(super) pieces: Vec<(PathBuf, Option<Identity>)>,
}

impl KeptWrite {
    /// Returns the target, as [`StagedWrite::target`] does.
    pub fn target(&self) -> String {
        disk::name_of(&self.target)
    }

    /// Reopens the staged write, in any process. This blocks.
    ///
    /// # Errors
    /// When it has been committed, discarded or damaged since, if its target has changed so that it cannot be committed
    /// any more, or if another run has it open.
    pub fn reopen(&self) -> crate::Result<Box<dyn StagedWrite>> {
        Ok(Box::new(StagedFile::reopen(self)?))
    }

    /// Checks that this names only entries that are staged beside its target, so that no other file is touched.
    pub(super) fn check(&self) -> Result<(), WriteError> {
        match self.pieces.iter().find(|(path, _)| !aside::is_of(path, &self.target)) {
            None => Ok(()),
            Some((path, _)) => Err(WriteError::NotStaged { target: self.target(), path: path.clone() }),
        }
    }

    /// Removes the kept files. This blocks.
    ///
    /// # Errors
    /// When another run has them open, or they cannot be removed.
    pub fn discard(&self) -> crate::Result<()> {
        self.check()?;
        for (path, identity) in &self.pieces {
            // Another file may have taken the name since. A damaged file is removed all the same.
            if disk::number(path) != identity.as_ref().and_then(Identity::number) {
                continue;
            }
            if let disk::Locked::Busy = disk::lock(path).map_err(WriteError::io("open", path))? {
                let (target, path) = (self.target(), path.clone());
                return Err(WriteError::Kept { target, path, what: "in use by another run" }.into());
            }
            disk::remove(path).map_err(WriteError::io("remove", path))?;
        }
        Ok(())
    }
}
