//! All writes of a run, made visible together or not at all.
//!
//! A write is staged beside its target, and joins the transaction of its run. When the run has succeeded, all staged
//! writes are prepared, then the run is decided, then all are committed. With several of them, a journal says what was
//! decided, so that the next run finishes or undoes what a killed one has left; [`recover`] does the same by hand.
//!
//! Each target is old or new at any instant, never half. Several targets are switched one after the other, usually within
//! milliseconds: a reader of several may see some old and some new in between. A process that is killed in between leaves that until
//! the next run, which completes the commit.
//!
//! A store of your own takes part with a [`StagedWrite`].

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
mod ticket;
mod transaction;
mod written;

use std::any::Any;
use std::fmt;

pub use error::WriteError;
pub use file::StagedFile;
pub use recover::{Kept, Recovered, recover, set_aside};
pub use ticket::{Decision, FileStep, Ticket};
#[doc(hidden)]
pub use transaction::commit_together;

pub(crate) use kept::KeptWrite;
pub(crate) use transaction::{CommitError, Owner, Transaction, abandon_all, notes_of};
#[cfg(feature = "polars")]
pub(crate) use {
    disk::{Identity, directory_of, name_of, resolved},
    file::How,
    merge::{Recipe, is_part},
    transaction::commit_now,
};

/// Something that is written but not visible yet: a file beside its target, an open transaction of a database.
///
/// It takes part in a two-phase commit. In this order, each is called at most once, on a thread that may block:
///
/// 1. [`join`](Self::join) for each later write of the run to the same target.
/// 2. [`prepare`](Self::prepare). As soon as one write of the run fails here, all are rolled back.
/// 3. [`ticket`](Self::ticket), unless this is the only write of the run and [`is_one_step`](Self::is_one_step). From then
///    on, only [`rollback`](Self::rollback) discards the write, no longer dropping it: the ticket is in the journal of the
///    run, and a later process may be on its way to finish it.
/// 4. [`commit`](Self::commit), after the run is decided; or `rollback`.
///
/// Before there is a ticket, dropping the write rolls it back.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use setl::commit::StagedWrite;
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
///     fn join(&mut self, later: Box<dyn StagedWrite>) -> setl::Result<()> {
///         let later: Box<dyn std::any::Any> = later;
///         let later = later.downcast::<Self>().map_err(|_| setl::Error::msg("these are other lines"))?;
///         self.lines.extend(later.lines);
///         Ok(())
///     }
///
///     // A list cannot refuse, and does not outlive the process, so the defaults of `prepare` and `ticket` do.
///     fn commit(self: Box<Self>) -> setl::Result<()> {
///         self.list.lock().expect("no panic elsewhere").extend(self.lines);
///         Ok(())
///     }
///
///     fn rollback(self: Box<Self>) -> setl::Result<()> {
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
/// # Ok::<(), setl::Error>(())
/// ```
pub trait StagedWrite: Any + fmt::Debug + Send {
    /// What it will change: the same text for all writes that change the same, such as the path of a file.
    fn target(&self) -> String;

    /// Whether it leaves what is there, so that it may come after another write of the same run to the same target.
    ///
    /// A later write that does not is refused as soon as it is staged.
    fn adds(&self) -> bool {
        false
    }

    /// Takes over a later write of the same run to the same target; its effect is to come after that of this one.
    ///
    /// # Errors
    /// When the two cannot be put together; that is what happens if nothing is implemented.
    fn join(&mut self, later: Box<dyn StagedWrite>) -> crate::Result<()> {
        drop(later);
        Err(WriteError::Twice { target: self.target() }.into())
    }

    /// Does all that can fail, so that the commit is short and sure: puts together what was joined, checks that the
    /// target is what it was, brings everything to disk.
    ///
    /// # Errors
    /// When the write cannot be committed, because the target has changed, or there is no space.
    fn prepare(&mut self) -> crate::Result<()> {
        Ok(())
    }

    /// Whether `commit` is one step, of which a crash leaves all or nothing.
    ///
    /// If it is not, there is a journal even for this write alone. Asked after `prepare`.
    fn is_one_step(&self) -> bool {
        true
    }

    /// What a later process needs to finish or undo this write if the present one dies. Asked after `prepare`.
    ///
    /// With [`Ticket::None`], the write is undone by the death of the process itself, even after the run was decided.
    ///
    /// # Errors
    /// When it cannot be said; then all is rolled back.
    fn ticket(&mut self) -> crate::Result<Ticket> {
        Ok(Ticket::None)
    }

    /// Makes the write visible, in one step.
    ///
    /// # Errors
    /// When the target refuses. If there is no ticket, the target is unchanged then, and what was staged is gone; if there
    /// is, what was staged is still there, for a later run to try again.
    fn commit(self: Box<Self>) -> crate::Result<()>;

    /// Discards the write.
    ///
    /// # Errors
    /// When what was staged cannot be removed; the target is unchanged in any case.
    fn rollback(self: Box<Self>) -> crate::Result<()>;
}

/// A write that changes nothing, as when the target is there and is to stay.
///
/// ```
/// use setl::commit::{StagedWrite, Untouched};
///
/// let staged = Box::new(Untouched::new("list of carriers"));
/// assert_eq!(staged.target(), "list of carriers");
/// staged.commit()?;
/// # Ok::<(), setl::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Untouched {
    target: String,
}

impl Untouched {
    /// Leaves `target` as it is.
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
