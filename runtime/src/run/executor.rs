//! Drives the factories of a run, each as soon as its deliveries are there.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
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
    pub(crate) pool: Arc<BlockingPool>,
    schedule: Schedule,
    /// Inputs, then factories.
    slots: Box<[Slot]>,
    records: Box<[OnceLock<Record>]>,
    /// How far each factory is.
    pub(crate) phases: Box<[PhaseCell]>,
    failures: Mutex<Vec<FactoryError>>,
    replaces: bool,
    replacements: Mutex<Vec<(usize, Replacement)>>,
    observers: Vec<Observer>,
    no_write: bool,
    /// Whether others can cancel the run.
    linked: bool,
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
        let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        let cancel = options.cancel.take();
        Self {
            schedule: Schedule::new(&plan, options.concurrency, threads),
            records: plan.factories.iter().map(|_| OnceLock::new()).collect(),
            phases: plan.factories.iter().map(|_| PhaseCell::default()).collect(),
            plan,
            steps,
            run_id: Uuid::now_v7(),
            started: Instant::now(),
            linked: cancel.is_some(),
            // What cancels the run reaches its factories even while one of them keeps this thread to itself.
            cancel: cancel.map_or_else(CancellationToken::new, |cancel| cancel.child_token()),
            pool: Arc::new(BlockingPool::new(options.blocking_threads)),
            slots,
            failures: Mutex::default(),
            replaces: !options.replacements.is_empty(),
            replacements: Mutex::new(std::mem::take(&mut options.replacements)),
            observers: std::mem::take(&mut options.observers),
            no_write: options.no_write,
            over: Notify::new(),
        }
    }

    /// Runs the factories, and comes back when nothing of them is left.
    ///
    /// The first driver is part of this future: a chain of factories ends where it began, without waking up a thread.
    pub(crate) async fn run(self: &Arc<Self>) {
        if self.plan.factories.is_empty() {
            return;
        }
        let mut own = OwnDriver(Some(Driver::new(Arc::clone(self), At::End)));
        if let Some(driver) = &mut own.0 {
            driver.go_on(self.schedule.start());
            driver.await;
        }
        self.over.notified().await;
        self.pool.idle().await;
        own.0 = None;
    }

    /// Starts no further factory, and drops those that wait at an `await`.
    pub(crate) fn stop(&self) {
        self.schedule.stop();
        self.cancel.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.schedule.is_stopped() || (self.linked && self.cancel.is_cancelled())
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
        if !self.replaces {
            return None;
        }
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
        // Nothing starts after the event, and what is cancelled because of the failure is told after it.
        self.schedule.stop();
        self.emit(|| Event::Failed { factory: &factory.name });
        self.cancel.cancel();
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

/// The driver in the future of a run. It outlives that future if it is dropped early: the run is stopped then, but its
/// end is orderly, as it is in all other drivers.
struct OwnDriver(Option<Driver>);

impl Drop for OwnDriver {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            driver.shared.stop();
            if let (false, Ok(runtime)) = (matches!(driver.at, At::End), Handle::try_current()) {
                runtime.spawn(driver);
            }
        }
    }
}

/// Spawns so many drivers.
fn call(shared: &Arc<Shared>, drivers: usize) {
    for _ in 0..drivers {
        tokio::spawn(Driver::new(Arc::clone(shared), At::Arrival));
    }
}

/// Runs so many factories in a row before others on the same thread have their turn.
const IN_A_ROW: usize = 64;

/// After a factory of this length others have their turn, among them drivers that wait behind this one. It is long
/// beside what that costs.
const LONG: Duration = Duration::from_micros(50);

/// Runs one factory after another: whenever one has finished, the first that became ready because of it, or else the one
/// that has been ready longest.
struct Driver {
    shared: Arc<Shared>,
    at: At,
    /// When the last factory ended, if the next begins at once.
    now: Option<Instant>,
    /// Whether it goes on only after others on the same thread, among them drivers that it called.
    gives_way: bool,
}

/// Where a driver is.
enum At {
    /// It was called, and has no node yet.
    Arrival,
    /// Before the start of this node.
    Before(u32),
    /// In a factory.
    In(u32, Running),
    /// It has nothing left to do.
    End,
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
        let pool = Arc::clone(&self.shared.pool);
        with_pool(pool, || self.drive(cx))
    }
}

impl Driver {
    fn new(shared: Arc<Shared>, at: At) -> Self {
        Self { shared, at, now: None, gives_way: false }
    }

    fn drive(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut in_a_row = 0;
        loop {
            match &mut self.at {
                At::Arrival => {
                    let next = self.shared.schedule.arrive();
                    self.go_on(next);
                }
                At::Before(_) if self.gives_way => {
                    self.gives_way = false;
                    self.now = None;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                At::Before(node) => {
                    let node = *node;
                    match self.begin(node) {
                        Some(running) => self.at = At::In(node, running),
                        None => self.finish(node),
                    }
                }
                At::In(node, running) => {
                    let node = *node;
                    let took = ready!(advance(&self.shared, node as usize, running, cx));
                    // What blocked has ended on another thread, some time ago.
                    self.now = took.filter(|_| running.cancellable).map(|took| took.ended);
                    self.clear();
                    self.finish(node);
                    in_a_row += 1;
                    self.gives_way |= in_a_row == IN_A_ROW || took.is_some_and(|took| took.total > LONG);
                }
                At::End => return Poll::Ready(()),
            }
        }
    }

    /// Starts a node, unless it is a gate or the run is being stopped.
    fn begin(&mut self, node: u32) -> Option<Running> {
        let node = node as usize;
        let shared = &self.shared;
        if node >= shared.plan.factories.len() || shared.is_stopped() {
            return None;
        }
        shared.emit(|| Event::Started { factory: &shared.plan.factories[node].name });
        let started = self.now.take().unwrap_or_else(Instant::now);
        let (future, blocking) = match shared.replacement(node) {
            Some(replacement) => (replaced(Arc::clone(shared), node, replacement), false),
            None => {
                let job = Job { shared: Arc::clone(shared), node, started };
                ((shared.steps[node].run)(job), shared.plan.factories[node].blocking)
            }
        };
        Some(Running { future, started, cancellable: !blocking, cancelled: None })
    }

    /// Drops the factory that has ended; a panic of its destructor must not end the driver.
    fn clear(&mut self) {
        let running = std::mem::replace(&mut self.at, At::End);
        contained(|| drop(running));
    }

    /// Counts a node as done, and gets the next.
    fn finish(&mut self, node: u32) {
        let next = self.shared.schedule.finish(&self.shared.plan, node);
        self.go_on(next);
    }

    fn go_on(&mut self, next: Next) {
        call(&self.shared, next.call);
        // A worker of tokio keeps the task that it spawned last to itself, even if others have nothing to do.
        self.gives_way = next.call > 0 && tokio::task::try_id().is_some();
        if next.over {
            self.shared.over.notify_one();
        }
        self.at = next.node.map_or(At::End, At::Before);
    }
}

/// When a factory ended that delivered, and how long it took.
#[derive(Clone, Copy)]
struct Took {
    total: Duration,
    ended: Instant,
}

/// Polls a factory, until it has ended in one way or another.
fn advance(
    shared: &Arc<Shared>,
    node: usize,
    running: &mut Running,
    cx: &mut TaskContext<'_>,
) -> Poll<Option<Took>> {
    let poll = || running.future.as_mut().poll(cx);
    match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(Poll::Ready(Ok(completed))) => {
            let total = completed.timing.total();
            let ended = shared.started + completed.timing.start + total;
            shared.completed(node, completed);
            return Poll::Ready(Some(Took { total, ended }));
        }
        Ok(Poll::Ready(Err(Unfinished::Error(error)))) => {
            shared.failed(node, Cause::Error(error), running.started);
        }
        Err(panic) => shared.failed(node, Cause::Panic(panic_message(panic)), running.started),
        Ok(Poll::Ready(Err(Unfinished::Cancelled))) => shared.cancelled(node, running.started),
        Ok(Poll::Pending) if running.cancellable => {
            let cancelled =
                running.cancelled.get_or_insert_with(|| Box::pin(shared.cancel.clone().cancelled_owned()));
            ready!(cancelled.as_mut().poll(cx));
            shared.cancelled(node, running.started);
        }
        Ok(Poll::Pending) => return Poll::Pending,
    }
    Poll::Ready(None)
}

impl Drop for Driver {
    /// A driver that is dropped before its end is one whose runtime shuts down. The run may be awaited elsewhere, so all
    /// that this driver would have done, or those it would have called, is counted as done.
    fn drop(&mut self) {
        let shared = &self.shared;
        let mut calls = 0;
        let mut node = match std::mem::replace(&mut self.at, At::End) {
            At::End => return,
            At::Arrival => {
                calls += 1;
                None
            }
            At::Before(node) => Some(node),
            At::In(node, running) => {
                shared.cancelled(node as usize, running.started);
                contained(|| drop(running));
                Some(node)
            }
        };
        shared.stop();
        loop {
            let next = match node {
                Some(node) => shared.schedule.finish(&shared.plan, node),
                None if calls > 0 => {
                    calls -= 1;
                    shared.schedule.arrive()
                }
                None => return,
            };
            calls += next.call;
            node = next.node;
            if next.over {
                shared.over.notify_one();
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
