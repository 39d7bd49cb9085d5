//! Commits several files together or not at all, even if the process or the machine dies in between.
//!
//! A write is [staged](StagedFile) beside its target, and joins a [`Transaction`]. The commit prepares all staged writes, then
//! decides, then switches each target. With several targets, a journal in the state directory records the decision. So the
//! next transaction completes or undoes the commit of a killed process, and [`recover`] does the same on request.
//!
//! At any time, each target is either old or new, never half. The switches follow each other within a short time, usually
//! within milliseconds. A reader of several targets may see some old and some new in between.
//!
//! ```
//! use std::fs;
//!
//! use setl_commit::{Owner, StagedFile, Transaction};
//! use uuid::Uuid;
//!
//! # let directory = std::env::temp_dir().join(format!("setl-docs-commit-{}", std::process::id()));
//! # fs::create_dir_all(&directory)?;
//! let nightly = Transaction::new(Uuid::now_v7(), "nightly", Some(directory.join(".state")));
//! for (part, name) in ["orders.csv", "totals.csv"].into_iter().enumerate() {
//!     let staged = StagedFile::beside(directory.join(name))?;
//!     fs::write(staged.path(), "id\n")?;
//!     nightly.enlist(Owner { node: part, attempt: 1 }, Box::new(staged))?;
//! }
//! assert!(!directory.join("orders.csv").exists(), "nothing is visible yet");
//! let committed = nightly.commit().map_err(|error| error.into_error())?;
//! assert_eq!(committed.len(), 2);
//! assert_eq!(fs::read_to_string(directory.join("totals.csv"))?, "id\n");
//! # fs::remove_dir_all(directory)?;
//! # Ok::<(), setl_commit::Error>(())
//! ```
//!
//! Targets that are not files take part with their own implementation of [`StagedWrite`].

mod aside;
mod disk;
mod error;
mod file;
mod fixed;
mod journal;
mod kept;
mod lock;
mod merge;
mod protocol;
mod recover;
#[doc(hidden)]
pub mod state;
mod ticket;
mod transaction;
mod written;

use std::any::Any;
use std::fmt;

pub use anyhow::Error;
pub use disk::{Identity, directory_of, name_of, resolved};
pub use error::WriteError;
pub use file::{How, StagedFile};
pub use kept::KeptWrite;
pub use merge::{Merge, Recipe, add_format, is_part};
pub use recover::{Kept, Recovered, recover, set_aside};
pub use ticket::{CommitDecision, FileStep, RecoveryTicket};
pub use transaction::{CommitError, Owner, Transaction, abandon_all, commit_now, commit_together, notes_of};

/// The result of a write: any error that implements [`std::error::Error`] turns into [`Error`] with `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A write that is not visible yet: a file beside its target, or an open transaction of a database.
///
/// It takes part in a two-phase commit. Each method is called at most once, in this order, on a thread that may block:
///
/// 1. [`join`](Self::join) for each later write of the run to the same target.
/// 2. [`prepare`](Self::prepare). If one write of the run fails here, all are rolled back.
/// 3. [`ticket`](Self::ticket), unless this is the only write of the run and [`is_one_step`](Self::is_one_step). From
///    then on, only [`rollback`](Self::rollback) discards the write. Dropping it does not, because the ticket is in the
///    journal of the run and a later process may be about to finish it.
/// 4. [`commit`](Self::commit) after the run is decided, or `rollback`.
///
/// Dropping the write before it has a ticket rolls it back.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use setl_commit::StagedWrite;
///
/// /// Lines that are in a list of the process at once, or not at all.
/// #[derive(Debug)]
/// struct StagedLines {
///     lines: Vec<String>,
///     list: Arc<Mutex<Vec<String>>>,
/// }
///
/// impl StagedWrite for StagedLines {
///     fn target(&self) -> String {
///         format!("list {:p}", Arc::as_ptr(&self.list))
///     }
///
///     // It may come after another write of the run.
///     fn adds(&self) -> bool {
///         true
///     }
///
///     fn join(&mut self, later: Box<dyn StagedWrite>) -> setl_commit::Result<()> {
///         let later: Box<dyn std::any::Any> = later;
///         let later = later.downcast::<Self>().map_err(|_| setl_commit::Error::msg("these are other lines"))?;
///         self.lines.extend(later.lines);
///         Ok(())
///     }
///
///     // A list cannot refuse, and does not outlive the process, so the defaults of `prepare` and `ticket` do.
///     fn commit(self: Box<Self>) -> setl_commit::Result<()> {
///         self.list.lock().expect("no panic elsewhere").extend(self.lines);
///         Ok(())
///     }
///
///     fn rollback(self: Box<Self>) -> setl_commit::Result<()> {
///         Ok(())
///     }
/// }
///
/// let list = Arc::default();
/// let stage = |line: &str| StagedLines { lines: vec![line.to_owned()], list: Arc::clone(&list) };
/// let mut first = stage("one");
/// first.join(Box::new(stage("two")))?;
/// first.prepare()?;
/// Box::new(first).commit()?;
/// assert_eq!(*list.lock().unwrap(), ["one", "two"]);
/// # Ok::<(), setl_commit::Error>(())
/// ```
pub trait StagedWrite: Any + fmt::Debug + Send {
    /// Returns the name of the target: the same text for all writes to the same target, such as the path of a file.
    fn target(&self) -> String;

    /// Returns `true` if the write keeps the existing content, so that it may follow another write of the same run to the
    /// same target.
    ///
    /// A later write that returns `false` is refused as soon as it is staged. Default: `false`.
    fn adds(&self) -> bool {
        false
    }

    /// Takes over a later write of the same run to the same target. The effect of `later` comes after that of this write.
    ///
    /// # Errors
    /// When the two cannot be merged. The default implementation always fails.
    fn join(&mut self, later: Box<dyn StagedWrite>) -> crate::Result<()> {
        drop(later);
        Err(WriteError::Twice { target: self.target() }.into())
    }

    /// Does all work that can fail, so that the commit is short and safe: merges the joined writes, checks that the
    /// target has not changed, and flushes everything to disk.
    ///
    /// # Errors
    /// When the write cannot be committed, because the target has changed or there is no space.
    fn prepare(&mut self) -> crate::Result<()> {
        Ok(())
    }

    /// Returns `true` if `commit` is one step, of which a crash leaves all or nothing.
    ///
    /// If it returns `false`, even a single write gets a journal. Called after `prepare`. Default: `true`.
    fn is_one_step(&self) -> bool {
        true
    }

    /// Returns the data that a later process needs to finish or undo this write if the present process dies. Called after
    /// `prepare`.
    ///
    /// With [`RecoveryTicket::None`], the death of the process undoes the write, even after the run was decided.
    ///
    /// # Errors
    /// When the ticket cannot be made. Then all writes are rolled back.
    fn ticket(&mut self) -> crate::Result<RecoveryTicket> {
        Ok(RecoveryTicket::None)
    }

    /// Makes the write visible, in one step.
    ///
    /// # Errors
    /// When the target refuses. Without a ticket, the target is unchanged and the staged data is gone. With a ticket, the
    /// staged data is still there, and a later run tries again.
    fn commit(self: Box<Self>) -> crate::Result<()>;

    /// Discards the write.
    ///
    /// # Errors
    /// When the staged data cannot be removed. The target is unchanged in any case.
    fn rollback(self: Box<Self>) -> crate::Result<()>;
}

/// A write that changes nothing, for a target that exists and must stay.
///
/// ```
/// use setl_commit::{StagedWrite, Untouched};
///
/// let staged = Box::new(Untouched::new("list of carriers"));
/// assert_eq!(staged.target(), "list of carriers");
/// staged.commit()?;
/// # Ok::<(), setl_commit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Untouched {
    target: String,
}

impl Untouched {
    /// Creates a write that leaves `target` unchanged.
    pub fn new(target: impl Into<String>) -> Self {
        Self { target: target.into() }
    }
}

impl StagedWrite for Untouched {
    fn target(&self) -> String {
        self.target.clone()
    }

    fn adds(&self) -> bool {
        true
    }

    fn commit(self: Box<Self>) -> crate::Result<()> {
        Ok(())
    }

    fn rollback(self: Box<Self>) -> crate::Result<()> {
        Ok(())
    }
}
