//! All writes of a run, made visible together or not at all.

mod transaction;

use std::any::Any;
use std::fmt;

pub(crate) use transaction::{CommitError, Owner, Transaction};

/// Something that is written but not visible yet: a file beside its target, an open transaction.
///
/// Dropping it without a commit rolls it back.
pub trait StagedWrite: Any + fmt::Debug + Send {
    /// What it will change, as in `Parquet file delays.parquet`. Two writes with the same target are one after the other.
    fn target(&self) -> String;

    /// Does all that can fail, so that the commit is short and sure. It blocks.
    ///
    /// # Errors
    /// When the write cannot be committed, because the target has changed, or there is no space.
    fn prepare(&mut self) -> crate::Result<()> {
        Ok(())
    }

    /// Makes the write visible, in one step. It blocks.
    ///
    /// # Errors
    /// When the target refuses; then it is unchanged, and what was staged is gone.
    fn commit(self: Box<Self>) -> crate::Result<()>;

    /// Discards the write. It blocks.
    ///
    /// # Errors
    /// When what was staged cannot be removed; the target is unchanged in any case.
    fn rollback(self: Box<Self>) -> crate::Result<()>;
}
