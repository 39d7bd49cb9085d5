//! The points at which capabilities take part in a run: the memory limit, learning, checkpoints and cache, gathered queries.
//!
//! The executor knows no capability by name. It asks its [`Hooks`] at fixed points, in a fixed order, and a point without a hook costs
//! the test of one bit.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Cause, FactoryError};
use super::report::{Record, Report};
use super::shared::{CancelReason, Shared};
use super::step::{Completed, Outcome};
use crate::Result;
use setl_commit::Owner;

/// A set of points of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Points(u16);

impl Points {
    pub(crate) const NONE: Self = Self(0);
    /// Before the first attempt of a factory: [`Hook::resolve`].
    pub(crate) const RESOLVE: Self = Self(1);
    /// After an attempt that delivered: [`Hook::keep`].
    pub(crate) const KEEP: Self = Self(1 << 1);
    /// After the final status of a factory is known: [`Hook::ended`].
    pub(crate) const ENDED: Self = Self(1 << 2);
    /// While factories wait for queries: [`Hook::parked`], [`Hook::stalled`], [`Hook::waited`], [`Hook::abandoned`], [`Hook::idle`].
    pub(crate) const WAIT: Self = Self(1 << 3);
    /// Before the commit, after it, and when effects are undone: [`Hook::seal`], [`Hook::committed`], [`Hook::undo`].
    pub(crate) const COMMIT: Self = Self(1 << 4);
    /// The hook may cancel the run.
    pub(crate) const CANCEL: Self = Self(1 << 5);
    /// Effects and reads of factories, and of the runs that they start: [`Hook::acted`], [`Hook::nested_ended`].
    pub(crate) const EFFECTS: Self = Self(1 << 6);
    /// While factories run: [`Hook::reads`], [`Hook::delivers`], [`Hook::waits`], [`Hook::resumes`], [`Hook::advice`].
    pub(crate) const MEASURE: Self = Self(1 << 7);
    /// After the last commit or rollback: [`Hook::finish`].
    pub(crate) const FINISH: Self = Self(1 << 8);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) const fn has(self, point: Self) -> bool {
        self.0 & point.0 != 0
    }
}

/// A part of a run that one capability adds. All functions but [`points`](Hook::points) do nothing by default.
pub(crate) trait Hook: Any + Send + Sync {
    /// The points at which this hook takes part.
    fn points(&self) -> Points;

    /// Starts the work of the hook beside the factories. It ends when the returned value is dropped.
    fn begin(&self, _run: &Arc<Shared>) -> Option<Box<dyn Any + Send>> {
        None
    }

    /// Decides how a factory gets its output, before its first attempt. `None` if it runs.
    fn resolve<'run>(
        &'run self,
        _run: &'run Arc<Shared>,
        _node: usize,
    ) -> BoxFutureOf<'run, Option<Outcome>> {
        Box::pin(std::future::ready(None))
    }

    /// Keeps the output of an attempt that delivered. If this fails, the attempt has failed.
    fn keep<'run>(
        &'run self,
        _run: &'run Arc<Shared>,
        _attempt: Attempt,
        completed: Completed,
    ) -> BoxFutureOf<'run, std::result::Result<Completed, Cause>> {
        Box::pin(std::future::ready(Ok(completed)))
    }

    /// Receives the final status of a factory, before its downstream factories become ready.
    fn ended(&self, _run: &Shared, _node: usize, _record: &Record) {}

    /// Is called after a factory was polled and is pending.
    fn parked(&self, _run: &Arc<Shared>, _node: usize) {}

    /// Is called when all running factories wait for queries, and none is ready.
    fn stalled(&self, _run: &Arc<Shared>) {}

    /// The time that a factory has waited for the queries of others. It counts for no time limit.
    fn waited(&self, _node: usize) -> Duration {
        Duration::ZERO
    }

    /// `true` if a query of this factory was not run because the run ended.
    fn abandoned(&self, _node: usize) -> bool {
        false
    }

    /// Completes when the hook has no work left.
    fn idle(&self) -> BoxFutureOf<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// `true` if a run without writes has something to commit for this hook.
    fn has_to_commit(&self) -> bool {
        false
    }

    /// Adds to the writes of the run before its commit. Returns the targets that are not shown as written. If the run is `whole`,
    /// all factories delivered.
    fn seal(&self, _run: &Shared, _whole: bool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Is called after the commit of a whole run.
    fn committed(&self, _run: &Shared) {}

    /// Is called before the effects of a factory are undone.
    fn undo(&self, _run: &Shared, _node: usize) -> Result<()> {
        Ok(())
    }

    /// Records that a factory, or a run that it has started, has an effect outside of the run.
    fn acted(&self, _node: usize) {}

    /// Records the end of a run that a factory has started.
    fn nested_ended(&self, _node: usize, _inner: &Shared) {}

    /// Records that a factory is about to read a file, or all files in a directory.
    fn reads(&self, _node: usize, _path: &Path) {}

    /// Records the size of the output of a factory in bytes, if it is known.
    fn delivers(&self, _node: usize, _bytes: Option<u64>) {}

    /// Records that a factory starts to wait for a query.
    fn waits(&self, _node: usize) {}

    /// Records that a factory no longer waits for a query.
    fn resumes(&self, _node: usize) {}

    /// The evidence of earlier runs about choices.
    fn advice(&self) -> Option<&dyn Any> {
        None
    }

    /// Adds to the report, once all factories have ended.
    fn report(&self, _run: &Shared, _report: &mut Report) {}

    /// Adds to the report, once the run is committed or undone.
    fn finish<'run>(
        &'run self,
        _run: &'run Arc<Shared>,
        _report: &'run mut Report,
        _ended: RunEnd<'run>,
    ) -> BoxFutureOf<'run, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Releases what the run holds: a remaining [`Context`](crate::Context) is no longer part of it.
    fn close(&self) {}

    /// The data that must exist as long as the outputs of the run.
    fn remains(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// A boxed future that borrows the run.
pub(crate) type BoxFutureOf<'run, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'run>>;

/// An attempt that delivered.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) owner: Owner,
    pub(crate) by_fallback: bool,
    /// `true` if it has written data that can be undone.
    pub(crate) wrote: bool,
}

/// The end of a run.
#[derive(Clone, Copy)]
pub(crate) struct RunEnd<'run> {
    pub(crate) succeeded: bool,
    /// `true` if the writes are committed.
    pub(crate) committed: bool,
    pub(crate) failures: &'run [FactoryError],
    /// The error of a commit that was decided but is not complete.
    pub(crate) unfinished: Option<&'run FactoryError>,
    /// The cancellation reason, if the run was ended early.
    pub(crate) interrupted: Option<CancelReason>,
}

/// The hooks of a run, in the order in which they are asked.
#[derive(Default)]
pub(crate) struct Hooks {
    all: Box<[Box<dyn Hook>]>,
    points: Points,
}

impl Hooks {
    pub(crate) fn new(all: Vec<Box<dyn Hook>>) -> Self {
        let points = all.iter().fold(Points::NONE, |points, hook| points.and(hook.points()));
        Self { all: all.into(), points }
    }

    /// `true` if a hook takes part at this point.
    #[inline]
    pub(crate) fn has(&self, point: Points) -> bool {
        self.points.has(point)
    }

    /// The hooks that take part at this point.
    pub(crate) fn at(&self, point: Points) -> impl Iterator<Item = &dyn Hook> {
        let all: &[_] = if self.has(point) { &self.all } else { &[] };
        all.iter().map(|hook| &**hook).filter(move |hook| hook.points().has(point))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &dyn Hook> {
        self.all.iter().map(|hook| &**hook)
    }

    /// The hook of this type, if the run has it.
    pub(crate) fn get<H: Hook>(&self) -> Option<&H> {
        find(&self.all)
    }
}

/// The hook of this type.
pub(crate) fn find<H: Hook>(hooks: &[Box<dyn Hook>]) -> Option<&H> {
    hooks.iter().find_map(|hook| (&**hook as &dyn Any).downcast_ref())
}

/// The hook of this type, before the run begins.
pub(crate) fn find_mut<H: Hook>(hooks: &mut [Box<dyn Hook>]) -> Option<&mut H> {
    hooks.iter_mut().find_map(|hook| (&mut **hook as &mut dyn Any).downcast_mut())
}

impl Shared {
    /// The part that a capability has added to this run.
    pub(crate) fn hook<H: Hook>(&self) -> Option<&H> {
        self.hooks.get()
    }
}
