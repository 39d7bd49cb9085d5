//! The observers of a run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use uuid::Uuid;

use super::current::Current;
use super::event::{Event, RunStatus};
use super::report::Report;
use super::section::Section;
use super::shared::Shared;
use crate::base::panic::{caught, contained};
use crate::plan::PlanRef;

/// Receives the events of runs, for progress bars, metrics or traces. See [`RunBuilder::observer`](super::RunBuilder::observer).
///
/// The events of a run come from all threads that work for it, also at the same time. A panic of an observer does not affect
/// the run. An `Arc` of an observer can observe several runs.
///
/// ```
/// use std::collections::BTreeSet;
/// use std::sync::{Arc, Mutex};
///
/// use setl::prelude::*;
/// use setl::{Event, Observer, RunInfo};
///
/// #[factory]
/// fn answer() -> u32 {
///     42
/// }
///
/// #[pipeline(only(answer))]
/// struct Deep;
///
/// /// The running factories of all observed runs.
/// #[derive(Default)]
/// struct Running(Mutex<BTreeSet<String>>);
///
/// impl Observer for Running {
///     fn observe(&self, run: &RunInfo<'_>, event: &Event<'_>) {
///         let Some(factory) = event.factory() else { return };
///         let factory = format!("{factory} of run {}", run.run_id);
///         let mut running = self.0.lock().unwrap();
///         if let Event::Started { .. } = event {
///             running.insert(factory);
///         } else if event.is_terminal() {
///             running.remove(&factory);
///         }
///         println!("{}: {} are running", run.pipeline, running.len());
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let running = Arc::new(Running::default());
/// Deep.run().observer(Arc::clone(&running)).await?;
/// assert!(running.0.lock().unwrap().is_empty());
/// # Ok(())
/// # }
/// ```
pub trait Observer: Send + Sync {
    /// Receives an event of a run, on the thread on which it happens: this must return quickly.
    fn observe(&self, run: &RunInfo<'_>, event: &Event<'_>);

    /// Returns a section for the report of the run. It is called once, when the factories have ended and their writes are committed
    /// or undone, before the last event. A run whose future is dropped has no report.
    fn section(&self, _run: &RunInfo<'_>, _report: &Report) -> Option<Arc<dyn Section>> {
        None
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, run: &RunInfo<'_>, event: &Event<'_>) {
        (**self).observe(run, event);
    }

    fn section(&self, run: &RunInfo<'_>, report: &Report) -> Option<Arc<dyn Section>> {
        (**self).section(run, report)
    }
}

/// A function as an observer.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for Closure<F> {
    fn observe(&self, _: &RunInfo<'_>, event: &Event<'_>) {
        (self.0)(event);
    }
}

/// The identity of a run. See [`Observer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunInfo<'run> {
    /// The id of the run.
    pub run_id: Uuid,
    /// The name of the pipeline.
    pub pipeline: &'run str,
    /// The factory that started this run, if it is a run in a factory of another run. A task that the factory has spawned needs
    /// [`Context::scope`](crate::Context::scope) for this.
    pub outer: Option<OuterFactory<'run>>,
}

/// The factory that started a run, which is part of another run. See [`RunInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OuterFactory<'run> {
    /// The id of the other run.
    pub run_id: Uuid,
    /// The name of the factory.
    pub factory: &'run str,
}

/// The observers of a run. Takes one word if there are none.
pub(crate) struct Observers(Option<Box<Observed>>);

struct Observed {
    observers: Vec<Box<dyn Observer>>,
    /// The factory that started the run: the id of its run, its plan, and its position there.
    outer: OnceLock<(Uuid, PlanRef, usize)>,
    /// The number of [parts](Part) of the run that are not over. One of them is that of the factories.
    parts: AtomicUsize,
    /// `None` if the future of the run was dropped.
    status: OnceLock<(RunStatus, Duration)>,
    /// `true` if all events have been sent.
    is_over: AtomicBool,
}

impl Observers {
    pub(crate) fn new(observers: Vec<Box<dyn Observer>>) -> Self {
        if observers.is_empty() {
            return Self(None);
        }
        Self(Some(Box::new(Observed {
            observers,
            outer: OnceLock::new(),
            parts: AtomicUsize::new(1),
            status: OnceLock::new(),
            is_over: AtomicBool::new(false),
        })))
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// A part of a run whose end the last event awaits: it is over when this value is dropped.
#[derive(Default)]
pub(crate) struct Part(Option<Arc<Shared>>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.end_part();
        }
    }
}

impl Shared {
    #[inline]
    pub(crate) fn emit<'run>(&'run self, event: impl FnOnce() -> Event<'run>) {
        if let Some(observed) = &self.observers.0 {
            self.send_in_time(observed, &event());
        }
    }

    /// Does the same as [`Shared::emit`], for events that borrow temporary data.
    pub(crate) fn emit_with(&self, tell: impl FnOnce(&dyn Fn(&Event<'_>))) {
        if let Some(observed) = &self.observers.0 {
            tell(&|event| self.send_in_time(observed, event));
        }
    }

    /// Sends the first event.
    pub(crate) fn emit_start(&self, outer: Option<&Current>) {
        let Some(observed) = &self.observers.0 else { return };
        if let Some(Current { shared, owner }) = outer {
            let _ = observed.outer.set((shared.run_id, shared.plan.clone(), owner.node));
        }
        self.send(observed, &Event::RunStarted { factories: self.plan.factories.len() });
    }

    /// Adds the sections of the observers to the report.
    pub(crate) fn add_sections(&self, report: &mut Report) {
        let Some(observed) = &self.observers.0 else { return };
        for observer in &observed.observers {
            let section = caught(|| observer.section(&self.info(observed), report));
            report.sections.extend(section.ok().flatten());
        }
    }

    /// Sets the content of the last event.
    pub(crate) fn set_status(&self, status: RunStatus, makespan: Duration) {
        if let Some(observed) = &self.observers.0 {
            let _ = observed.status.set((status, makespan));
        }
    }

    /// Adds a part to this run, while another one is not over.
    pub(crate) fn part(self: &Arc<Self>) -> Part {
        Part(self.observers.0.as_ref().map(|observed| {
            observed.parts.fetch_add(1, Ordering::Relaxed);
            Arc::clone(self)
        }))
    }

    /// Counts a part as over. The last one sends the last event.
    pub(crate) fn end_part(&self) {
        let Some(observed) = &self.observers.0 else { return };
        if observed.parts.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.tell_not_run(0..self.plan.factories.len());
        let dropped = || (RunStatus::Dropped, self.started.elapsed());
        let (status, makespan) = observed.status.get().copied().unwrap_or_else(dropped);
        observed.is_over.store(true, Ordering::Release);
        self.send(observed, &Event::RunEnded { status, makespan });
    }

    /// Sends an event, unless it comes after the last one: from a [`Context`](crate::Context) that outlives the run.
    fn send_in_time(&self, observed: &Observed, event: &Event<'_>) {
        if !observed.is_over.load(Ordering::Acquire) {
            self.send(observed, event);
        }
    }

    fn info<'run>(&'run self, observed: &'run Observed) -> RunInfo<'run> {
        let outer = observed.outer.get().map(|(run_id, plan, node)| OuterFactory {
            run_id: *run_id,
            factory: &plan.factories[*node].name,
        });
        RunInfo { run_id: self.run_id, pipeline: &self.plan.pipeline, outer }
    }

    fn send(&self, observed: &Observed, event: &Event<'_>) {
        let run = self.info(observed);
        for observer in &observed.observers {
            // The run does not depend on its observers.
            contained(|| observer.observe(&run, event));
        }
    }
}
