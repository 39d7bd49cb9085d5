//! The current attempt of a factory on this thread.
//!
//! Calls of a factory without a [`Context`](crate::Context) find their run here: for instance, a repository that saves, or
//! blocking work. [`Context::scope`] sets the current attempt in a task that a factory spawns.
//!
//! [`Context::scope`]: crate::Context::scope

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use super::hook::{Hook, Points};
use super::shared::Shared;
use setl_commit::{CommitDecision, StagedFile};
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
    /// The current attempt, if this thread works for a run.
    pub(crate) fn get() -> Option<Self> {
        RUN.with_borrow(Clone::clone).map(|shared| Self { shared, owner: OWNER.get() })
    }

    /// Sets the current attempt while `work` runs.
    pub(crate) fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        in_run(Arc::clone(&self.shared), || {
            let outer = OWNER.replace(self.owner);
            let _reset = Reset(|| OWNER.set(outer));
            work()
        })
    }

    /// Recovers the commits of dead runs, once in each run. A commit that cannot be recovered is noted in the report.
    pub(crate) fn recover(&self) {
        for note in self.shared.transaction().recover() {
            self.shared.note(self.owner.node, note);
        }
    }

    /// Adds a staged write to the run.
    ///
    /// # Errors
    /// When the write conflicts with another write of the run, or comes after all factories have ended.
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

/// Calls `tell` with each hook that measures the current factory.
#[inline]
pub(crate) fn measure(tell: impl FnMut(&dyn Hook, usize)) {
    // Most runs are not measured, and this check must not touch their reference count.
    let is_measured = |shared: &&Arc<Shared>| shared.hooks.has(Points::MEASURE);
    if let Some(shared) = RUN.with_borrow(|run| run.as_ref().filter(is_measured).cloned()) {
        tell_all(&shared, tell);
    }
}

#[cold]
fn tell_all(shared: &Shared, mut tell: impl FnMut(&dyn Hook, usize)) {
    let node = OWNER.get().node;
    shared.hooks.at(Points::MEASURE).for_each(|hook| tell(hook, node));
}

/// Sets the current run while `work` runs, also if it panics.
pub(crate) fn in_run<R>(shared: Arc<Shared>, work: impl FnOnce() -> R) -> R {
    shared.threads.add_this();
    let mut outer = RUN.replace(Some(shared));
    let _reset = Reset(move || drop(RUN.replace(outer.take())));
    work()
}

/// Sets the current attempt of the current run.
pub(crate) fn enter(owner: Owner) {
    OWNER.set(owner);
}

struct Reset<F: FnMut()>(F);

impl<F: FnMut()> Drop for Reset<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Adds a staged write to the current run. Returns the write if there is no current run.
pub(crate) fn enlist(write: Box<dyn StagedWrite>) -> crate::Result<Option<Box<dyn StagedWrite>>> {
    match Current::get() {
        Some(current) => current.enlist(write).map(|()| None),
        None => Ok(Some(write)),
    }
}

/// Keeps an incomplete staged file until the end of the current run, if the run has been stopped. Returns the file if it can be
/// removed now.
pub(crate) fn leave_until_end(staged: StagedFile) -> Option<StagedFile> {
    match Current::get() {
        Some(current) if current.shared.is_stopped() => {
            current.shared.transaction().leave_until_end(staged);
            None
        }
        _ => Some(staged),
    }
}

/// `true` if the current run has staged a write to this target.
pub(crate) fn has_staged(target: &str) -> bool {
    Current::get().is_some_and(|current| current.shared.has_staged(target))
}

/// Refuses to read a target with a staged write of this run, because the reader would get the old data.
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

/// Recovers the commits of dead runs, once in each run that reads or writes. Also settles the remains of dead runs at this place,
/// with the function of its connector.
pub(crate) fn recover(
    place: &str,
    settle: &dyn Fn(&str, CommitDecision) -> crate::Result<()>,
) -> crate::Result<()> {
    let Some(current) = Current::get() else { return Ok(()) };
    current.recover();
    current.shared.transaction().settle(place, settle)
}

/// A future that sets the current attempt whenever it is polled.
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
