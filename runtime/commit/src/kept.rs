//! Staged files that outlive their run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::disk::{self, Identity};
use super::error::WriteError;
use super::file::{How, StagedFile};
use super::merge::Recipe;
use super::{StagedWrite, aside, written};

/// A staged file that is kept on disk for a later run.
///
/// What it names stays until it is committed, or [`discard`](Self::discard) is called: neither dropping it removes it, nor
/// rolling back a write that was opened from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWrite {
    /// As the factory named the target: a relative place is another one in another directory.
    #[serde(with = "written")]
    pub(super) place: PathBuf,
    #[serde(with = "written")]
    pub(super) target: PathBuf,
    pub(super) how: How,
    pub(super) base: Option<Identity>,
    pub(super) recipe: Recipe,
    /// With that by which they are known again.
    #[serde(with = "written::pairs")]
    pub(super) pieces: Vec<(PathBuf, Option<Identity>)>,
}

impl KeptWrite {
    /// The target, as [`StagedWrite::target`].
    pub fn target(&self) -> String {
        disk::name_of(&self.target)
    }

    /// Makes the staged write again, in whatever process. It blocks.
    ///
    /// # Errors
    /// When it has been committed, discarded or damaged since, when its target has changed so that it cannot be committed
    /// any more, or when another run has it open.
    pub fn reopen(&self) -> crate::Result<Box<dyn StagedWrite>> {
        Ok(Box::new(StagedFile::reopen(self)?))
    }

    /// Checks that it names nothing but what is staged beside its target, so that nothing else is touched.
    pub(super) fn check(&self) -> Result<(), WriteError> {
        match self.pieces.iter().find(|(path, _)| !aside::is_of(path, &self.target)) {
            None => Ok(()),
            Some((path, _)) => Err(WriteError::NotStaged { target: self.target(), path: path.clone() }),
        }
    }

    /// Removes what was kept. It blocks.
    ///
    /// # Errors
    /// When another run has it open, or it cannot be removed.
    pub fn discard(&self) -> crate::Result<()> {
        self.check()?;
        for (path, identity) in &self.pieces {
            // Something else may have got the name since. What was damaged is to be removed all the same.
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
