//! Drives the factories of a run, each as soon as its deliveries are there.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use uuid::Uuid;

use super::blocking::{BlockingPool, with_pool};
use super::error::{Cause, FactoryError};
use super::event::{Event, Observer};
use super::report::{PhaseCell, Record, Status, Timing};
use super::schedule::{Next, Schedule};
use super::slot::Slot;
use super::step::{BoxFuture, Completed, Job, Outcome, Step, Unfinished};
use super::sync::held;
use crate::pipeline::AnyPayload;
use crate::plan::{PlanRef, Source};

/// Stands in for a factory: see [`testing`](crate::testing).
pub(crate) type Replacement = Box<dyn FnOnce() -> BoxFuture<crate::Result<AnyPayload>> + Send>;

/// The steps of a pipeline: a constant, or made at run time.
pub(crate) enum Steps {
    Static(&'static [Step]),
    Owned(Arc<[Step]>),
}

impl std::ops::Deref for Steps {
    type Target = [Step];

    fn deref(&self) -> &[Step] {
        match self {
            Steps::Static(steps) => steps,
            Steps::Owned(steps) => steps,
        }
    }
}

/// How a run is to go.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) concurrency: Option<usize>,
    pub(crate) blocking_threads: Option<usize>,
    pub(crate) no_write: bool,
    pub(crate) cancel: Option<CancellationToken>,
    pub(crate) cancel_on_ctrl_c: bool,
    pub(crate) observers: Vec<Observer>,
    /// By position, each used once.
    pub(crate) replacements: Vec<(usize, Replacement)>,
}

/// A pipeline that is ready to run.
pub(crate) struct Launch {
    pub(crate) plan: PlanRef,
    pub(crate) steps: Steps,
    pub(crate) inputs: Vec<Option<AnyPayload>>,
}

/// What all drivers of a run share.
pub struct Shared {
    pub(crate) plan: PlanRef,
    pub(crate) steps: Steps,
    pub(crate) run_id: Uuid,
    pub(crate) started: Instant,
    /// Cancelled when the run is to end: by a failure, by dropping its future, or from outside.
    pub(crate) cancel: CancellationToken,
    /// The token of who started the run, whose child `cancel` is.
    asked: Option<CancellationToken>,
    pub(crate) pool: Arc<BlockingPool>,
    schedule: Schedule,
    /// Inputs, then factories.
    slots: Box<[Slot]>,
    records: Box<[OnceLock<Record>]>,
    /// How far each factory is.
    pub(crate) phases: Box<[PhaseCell]>,
    failures: Mutex<Vec<FactoryError>>,
    replacements: Mutex<Vec<(usize, Replacement)>>,
    observers: Vec<Observer>,
    no_write: bool,
    over: Notify,
}

impl Shared {
    pub(crate) fn new(launch: Launch, options: &mut Options) -> Self {
        let Launch { plan, steps, inputs } = launch;
        let mut consumers = vec![0u32; plan.inputs.len() + plan.factories.len()];
        for factory in plan.factories.iter() {
            for source in factory.sources.iter() {
                match *source {
                    Source::Input(input) => consumers[input] += 1,
                    Source::Factory(producer) => consumers[plan.inputs.len() + producer] += 1,
                    Source::Context => {}
                }
            }
        }
        for (index, factory) in plan.factories.iter().enumerate() {
            consumers[plan.inputs.len() + index] += u32::from(factory.kept);
        }
        let slots: Box<[Slot]> = consumers.into_iter().map(Slot::new).collect();
        for (slot, input) in slots.iter().zip(inputs) {
            if let Some(payload) = input {
                slot.put(payload);
            }
        }
        Self {
            schedule: Schedule::new(&plan, options.concurrency),
            records: plan.factories.iter().map(|_| OnceLock::new()).collect(),
            phases: plan.factories.iter().map(|_| PhaseCell::default()).collect(),
            plan,
            steps,
            run_id: Uuid::now_v7(),
            started: Instant::now(),
            cancel: options
                .cancel
                .as_ref()
                .map_or_else(CancellationToken::new, CancellationToken::child_token),
            asked: options.cancel.take(),
            pool: Arc::new(BlockingPool::new(options.blocking_threads)),
            slots,
            failures: Mutex::default(),
            replacements: Mutex::new(std::mem::take(&mut options.replacements)),
            observers: std::mem::take(&mut options.observers),
            no_write: options.no_write,
            over: Notify::new(),
        }
    }

    /// Starts the run, and comes back when nothing of it is left.
    pub(crate) async fn run(self: &Arc<Self>) {
        if self.plan.factories.is_empty() {
            return;
        }
        let stop = StopOnDrop(self);
        for node in self.schedule.start(&self.plan) {
            spawn(self, node);
        }
        self.over.notified().await;
        self.pool.idle().await;
        std::mem::forget(stop);
    }

    /// Starts no further factory, and drops those that wait at an `await`.
    pub(crate) fn stop(&self) {
        self.schedule.stop();
        self.cancel.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.schedule.is_stopped() || self.asked.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// Where a delivery is taken from; the context is in no slot.
    pub(crate) fn slot(&self, source: Source) -> Option<&Slot> {
        match source {
            Source::Input(input) => Some(&self.slots[input]),
            Source::Factory(factory) => Some(&self.slots[self.plan.inputs.len() + factory]),
            Source::Context => None,
        }
    }

    pub(crate) fn writes(&self, node: usize) -> bool {
        !self.no_write && !self.plan.stages[self.plan.factories[node].stage].no_write
    }

    pub(crate) fn emit<'run>(&'run self, event: impl FnOnce() -> Event<'run>) {
        if !self.observers.is_empty() {
            let event = event();
            for observer in &self.observers {
                // The run does not depend on who looks at it.
                contained(|| observer(&event));
            }
        }
    }

    /// What became of each factory; nothing for those that never started.
    pub(crate) fn records(&self) -> impl Iterator<Item = Option<&Record>> {
        self.records.iter().map(OnceLock::get)
    }

    pub(crate) fn take_failures(&self) -> Vec<FactoryError> {
        std::mem::take(&mut *held(self.failures.lock()))
    }

    pub(crate) fn kept_output(&self, node: usize) -> Option<AnyPayload> {
        self.plan.factories[node].kept.then(|| self.slot(Source::Factory(node))?.share()).flatten()
    }

    /// Drops what was meant for factories that did not run; whoever holds a [`Context`](crate::Context) does not keep it.
    pub(crate) fn drop_undelivered(&self) {
        for slot in &self.slots {
            contained(|| slot.clear());
        }
    }

    fn replacement(&self, node: usize) -> Option<Replacement> {
        let mut replacements = held(self.replacements.lock());
        let at = replacements.iter().position(|(replaced, _)| *replaced == node)?;
        Some(replacements.swap_remove(at).1)
    }

    fn completed(&self, node: usize, completed: Completed) {
        let Completed { output, timing, rows } = completed;
        self.slots[self.plan.inputs.len() + node].put(output);
        self.emit(|| Event::Finished {
            factory: &self.plan.factories[node].name,
            total: timing.total(),
            rows,
        });
        self.record(node, Record { status: Status::Succeeded, timing, rows });
    }

    fn cancelled(&self, node: usize, started: Instant) {
        self.ended_early(node, Status::Cancelled, started);
        self.emit(|| Event::Cancelled { factory: &self.plan.factories[node].name });
    }

    fn failed(&self, node: usize, cause: Cause, started: Instant) {
        let factory = &self.plan.factories[node];
        let error = FactoryError {
            stage: self.plan.stages[factory.stage].name.to_string(),
            factory: factory.name.to_string(),
            phase: self.phases[node].get(),
            cause,
        };
        held(self.failures.lock()).push(error);
        self.ended_early(node, Status::Failed, started);
        self.stop();
        self.emit(|| Event::Failed { factory: &factory.name });
    }

    fn ended_early(&self, node: usize, status: Status, started: Instant) {
        let timing = Timing::unfinished(started - self.started, started.elapsed());
        self.record(node, Record { status, timing, rows: None });
    }

    fn record(&self, node: usize, record: Record) {
        // Every node runs once.
        let _ = self.records[node].set(record);
    }
}

/// Cancels a run whose future is dropped.
struct StopOnDrop<'run>(&'run Arc<Shared>);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn spawn(shared: &Arc<Shared>, node: u32) {
    tokio::spawn(Driver { shared: Arc::clone(shared), node, running: None, ended: false });
}

/// Runs one factory after another: whenever one has finished, the first that became ready because of it.
struct Driver {
    shared: Arc<Shared>,
    node: u32,
    running: Option<Running>,
    /// Whether nothing is left to do.
    ended: bool,
}

struct Running {
    future: BoxFuture<Outcome>,
    started: Instant,
    /// Whether it can be dropped before its end.
    cancellable: bool,
    /// Made when the factory first waits for something.
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let driver = &mut *self;
        loop {
            if driver.running.is_none() && !driver.begin() {
                if driver.next() {
                    continue;
                }
                return Poll::Ready(());
            }
            ready!(driver.advance(cx));
            driver.clear();
            if !driver.next() {
                return Poll::Ready(());
            }
        }
    }
}

impl Driver {
    /// Starts this driver's node, unless it is a gate or the run is being stopped.
    fn begin(&mut self) -> bool {
        let node = self.node as usize;
        let shared = &self.shared;
        if node >= shared.plan.factories.len() || shared.is_stopped() {
            return false;
        }
        shared.emit(|| Event::Started { factory: &shared.plan.factories[node].name });
        let started = Instant::now();
        let (future, blocking) = match shared.replacement(node) {
            Some(replacement) => (replaced(Arc::clone(shared), node, replacement), false),
            None => {
                let job = Job { shared: Arc::clone(shared), node };
                ((shared.steps[node].run)(job), shared.plan.factories[node].blocking)
            }
        };
        self.running = Some(Running { future, started, cancellable: !blocking, cancelled: None });
        true
    }

    /// Polls the running factory, until it has ended in one way or another.
    fn advance(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let node = self.node as usize;
        let shared = &self.shared;
        let Some(running) = &mut self.running else { return Poll::Ready(()) };
        let poll = || running.future.as_mut().poll(cx);
        let polled = with_pool(&shared.pool, || catch_unwind(AssertUnwindSafe(poll)));
        match polled {
            Ok(Poll::Ready(Ok(completed))) => shared.completed(node, completed),
            Ok(Poll::Ready(Err(Unfinished::Error(error)))) => {
                shared.failed(node, Cause::Error(error), running.started);
            }
            Err(panic) => shared.failed(node, Cause::Panic(panic_message(panic)), running.started),
            Ok(Poll::Ready(Err(Unfinished::Cancelled))) => shared.cancelled(node, running.started),
            Ok(Poll::Pending) if running.cancellable => {
                let cancelled = running
                    .cancelled
                    .get_or_insert_with(|| Box::pin(shared.cancel.clone().cancelled_owned()));
                ready!(cancelled.as_mut().poll(cx));
                shared.cancelled(node, running.started);
            }
            Ok(Poll::Pending) => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// Drops the factory that has ended; a panic of its destructor must not end the driver.
    fn clear(&mut self) {
        let running = self.running.take();
        contained(|| drop(running));
    }

    /// Counts this node as done. False if this driver has nothing left to do.
    fn next(&mut self) -> bool {
        let shared = &self.shared;
        match shared.schedule.finish(&shared.plan, self.node, |node| spawn(shared, node)) {
            Next::Run(node) => {
                self.node = node;
                true
            }
            Next::End => {
                self.ended = true;
                false
            }
            Next::Over => {
                self.ended = true;
                shared.over.notify_one();
                false
            }
        }
    }
}

impl Drop for Driver {
    /// A driver that is dropped before its end is one whose runtime shuts down. The run may be awaited elsewhere, so all
    /// that this driver would have done is counted as done.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let shared = &self.shared;
        shared.stop();
        if let Some(running) = self.running.take() {
            shared.cancelled(self.node as usize, running.started);
            contained(|| drop(running));
        }
        let mut nodes = vec![self.node];
        while let Some(node) = nodes.pop() {
            match shared.schedule.finish(&shared.plan, node, |other| nodes.push(other)) {
                Next::Run(next) => nodes.push(next),
                Next::End => {}
                Next::Over => shared.over.notify_one(),
            }
        }
    }
}

/// Runs what stands in for a factory, whose deliveries then go to nobody.
fn replaced(shared: Arc<Shared>, node: usize, replacement: Replacement) -> BoxFuture<Outcome> {
    Box::pin(async move {
        for source in shared.plan.factories[node].sources.iter() {
            if let Some(slot) = shared.slot(*source) {
                slot.release();
            }
        }
        let started = Instant::now();
        let output = replacement().await.map_err(Unfinished::Error)?;
        let timing = Timing::unfinished(started - shared.started, started.elapsed());
        Ok(Completed { output, timing, rows: None })
    })
}

/// Calls what others wrote, where a panic is to end nothing else. The hook has told of it.
fn contained(call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        panic_message(panic);
    }
}

/// The text of a panic, if it has one. Anything else that it carries is left alone, since dropping it may panic again.
fn panic_message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => match panic.downcast::<&str>() {
            Ok(text) => (*text).to_owned(),
            Err(other) => {
                std::mem::forget(other);
                "a panic without a message".to_owned()
            }
        },
    }
}
