//! Which attempt of which factory this thread is working for.
//!
//! What a factory calls without a [`Context`](crate::Context) finds its run here: a repository that saves, work that
//! blocks. Work that a factory hands to a task of its own takes the place along with [`Context::scope`].
//!
//! [`Context::scope`]: crate::Context::scope

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use super::shared::Shared;
#[cfg(feature = "polars")]
use setl_commit::{Decision, StagedFile};
use setl_commit::{Owner, StagedWrite};

thread_local! {
    static RUN: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
    static OWNER: Cell<Owner> = const { Cell::new(Owner { node: 0, attempt: 0 }) };
}

/// An attempt of a factory in its run.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) shared: Arc<Shared>,
    pub(crate) owner: Owner,
}

impl Current {
    /// What this thread works for, if it does for a run.
    pub(crate) fn get() -> Option<Self> {
        RUN.with_borrow(Clone::clone).map(|shared| Self { shared, owner: OWNER.get() })
    }

    /// Works for this attempt while `work` lasts.
    pub(crate) fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        in_run(Arc::clone(&self.shared), || {
            let outer = OWNER.replace(self.owner);
            let _reset = Reset(|| OWNER.set(outer));
            work()
        })
    }

    /// Finishes or undoes what runs have left that are no more, once in each run. What cannot be is noted in the report.
    pub(crate) fn recover(&self) {
        for note in self.shared.transaction().recover() {
            self.shared.note(self.owner.node, note);
        }
    }

    /// Gives a staged write to the run.
    ///
    /// # Errors
    /// When it does not go together with another write of the run, or comes too late to be committed with it.
    pub(crate) fn enlist(&self, write: Box<dyn StagedWrite>) -> crate::Result<()> {
        if self.shared.is_over.load(Ordering::Acquire) {
            drop(write);
            anyhow::bail!(
                "this is saved too late: all factories of the run of pipeline `{}` have ended; await what a factory spawns \
                 before the factory returns",
                self.shared.plan.pipeline
            );
        }
        self.shared.acts_in_outer();
        self.shared.transaction().enlist(self.owner, write)
    }
}

/// The run that this thread works for, if it is to learn from it, and the attempt.
#[cfg(feature = "optimize")]
#[inline]
pub(super) fn learning() -> Option<Current> {
    // Most runs do not, and are not to count who looks at them.
    let shared = RUN.with_borrow(|run| run.as_ref().filter(|shared| shared.learning.is_some()).cloned());
    shared.map(|shared| Current { shared, owner: OWNER.get() })
}

/// Works for this run while `work` lasts, also if it panics.
pub(super) fn in_run<R>(shared: Arc<Shared>, work: impl FnOnce() -> R) -> R {
    shared.threads.add_this();
    let mut outer = RUN.replace(Some(shared));
    let _reset = Reset(move || drop(RUN.replace(outer.take())));
    work()
}

/// From now on this thread works for this attempt of the run it is in.
pub(super) fn enter(owner: Owner) {
    OWNER.set(owner);
}

struct Reset<F: FnMut()>(F);

impl<F: FnMut()> Drop for Reset<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Gives a staged write to the run that this thread works for; gives it back where there is none.
#[cfg(feature = "polars")]
pub(crate) fn enlist(write: Box<dyn StagedWrite>) -> crate::Result<Option<Box<dyn StagedWrite>>> {
    match Current::get() {
        Some(current) => current.enlist(write).map(|()| None),
        None => Ok(Some(write)),
    }
}

/// Leaves what was not staged to its end to the end of the run that this thread works for, if that has been told to end; gives
/// it back where it can be removed now.
#[cfg(feature = "polars")]
pub(crate) fn leave_until_end(staged: StagedFile) -> Option<StagedFile> {
    match Current::get() {
        Some(current) if current.shared.is_stopped() => {
            current.shared.transaction().leave_until_end(staged);
            None
        }
        _ => Some(staged),
    }
}

/// Whether this run has staged a write to this target.
#[cfg(feature = "polars")]
pub(crate) fn has_staged(target: &str) -> bool {
    Current::get().is_some_and(|current| current.shared.has_staged(target))
}

/// Refuses to read what this run has staged and not committed yet: the reader would see the old data.
#[cfg(feature = "polars")]
pub(crate) fn refuse_staged(target: &str, place: &dyn std::fmt::Display) -> crate::Result<()> {
    let Some(current) = Current::get() else { return Ok(()) };
    if current.shared.has_staged(target) {
        anyhow::bail!(
            "{place} has been saved to by this run, and holds its old data until the run has succeeded: take the output of \
             the factory that saves it as a delivery, or save it with `save_now`"
        );
    }
    Ok(())
}

/// Finishes or undoes what runs have left that are no more, once in each run that reads or writes; and what they have left
/// in this place, as its connector knows how to.
#[cfg(feature = "polars")]
pub(crate) fn recover(
    place: &str,
    settle: &dyn Fn(&str, Decision) -> crate::Result<()>,
) -> crate::Result<()> {
    let Some(current) = Current::get() else { return Ok(()) };
    current.recover();
    current.shared.transaction().settle(place, settle)
}

/// A future that works for an attempt whenever it is polled.
pub(crate) struct Scoped<F> {
    pub(crate) current: Current,
    pub(crate) future: F,
}

impl<F: Future + Unpin> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let current = self.current.clone();
        current.scope(|| Pin::new(&mut self.future).poll(cx))
    }
}
