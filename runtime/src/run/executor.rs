//! Drives the factories of a run, each as soon as its deliveries are there.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use uuid::Uuid;

use super::attempt::supervised;
use super::blocking::BlockingPool;
use super::current::{enter, in_run};
use super::error::{Cause, FactoryError};
use super::event::{Event, Observer};
use super::handling::{Conduct, Handling};
use super::panic::{caught, contained};
use super::report::{Phase, PhaseCell, Record, Status, Timing};
use super::runner::Options;
use super::schedule::{Next, Schedule};
use super::slot::Slot;
use super::step::{Besides, BoxFuture, Completed, Failure, Job, Outcome, Step, Undone, Unfinished};
use super::sync::held;
use crate::checkpoint::{FingerprintOf, Session};
use crate::commit::{Owner, Transaction};
use crate::pipeline::AnyPayload;
use crate::plan::{Delivery, PlanRef, Source};
use crate::policy::{
    Classifier, Effective, Resource, ResourceReport, Resources, Transience, classify_by, unmark,
};

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

/// A pipeline that is ready to run.
pub(crate) struct Launch {
    pub(crate) plan: PlanRef,
    pub(crate) steps: Steps,
    pub(crate) inputs: Vec<Option<AnyPayload>>,
    /// How the fingerprint of each input is taken, where there is one.
    pub(crate) fingerprints: Vec<Option<FingerprintOf>>,
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
    /// What is kept of this run for a later one, and taken from an earlier.
    pub(crate) session: Option<Box<Session>>,
    /// Whether the run was asked for some factories only.
    pub(crate) is_partial: bool,
    schedule: Schedule,
    /// Inputs, then factories.
    slots: Box<[Slot]>,
    records: Box<[OnceLock<Record>]>,
    /// How far each factory is.
    pub(crate) phases: Box<[PhaseCell]>,
    /// What holds for each factory; empty where nothing is said of any.
    handling: Box<[Handling]>,
    /// None where nothing is said of any factory.
    effective: Option<Box<Effective>>,
    /// Made when one is used.
    resources: OnceLock<Resources>,
    pub(crate) classifier: Option<Classifier>,
    keep_going: bool,
    /// Whether a factory has failed, and the run goes on.
    troubled: AtomicBool,
    /// Whether a failure came after the run was told to end, and nothing else had ended it.
    interrupted: AtomicBool,
    failures: Mutex<Vec<FactoryError>>,
    notes: Mutex<Vec<(usize, String)>>,
    replaces: bool,
    replacements: Mutex<Vec<(usize, Replacement)>>,
    observers: Vec<Observer>,
    no_write: bool,
    /// Whether others can cancel the run.
    linked: bool,
    /// Why the run is cancelled from outside.
    why: AtomicU8,
    state_dir: Option<PathBuf>,
    /// Made when something is written.
    transaction: OnceLock<Box<Transaction>>,
    /// How writes outside of the transaction are undone, in the order in which they were completed.
    undone: Mutex<Vec<(usize, Undone)>>,
    /// Whether the writes are visible, or will be.
    decided: AtomicBool,
    /// Whether a task of its own undoes the writes.
    undone_in_task: AtomicBool,
    over: Notify,
    is_over: AtomicBool,
}

fn is_selected(handling: &[Handling], node: usize) -> bool {
    handling.get(node).is_none_or(|handling| handling.selected)
}

/// Why a run is cancelled from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Why {
    /// Somebody asked for it.
    Asked = 0,
    /// It took too long.
    Deadline = 1,
}

impl Shared {
    pub(crate) fn new(launch: Launch, conduct: Conduct, options: &mut Options) -> Self {
        let Launch { plan, steps, inputs, .. } = launch;
        let Conduct { mut handling, effective } = conduct;
        let mut consumers = vec![0u32; plan.inputs.len() + plan.factories.len()];
        for (_, factory) in
            plan.factories.iter().enumerate().filter(|(node, _)| is_selected(&handling, *node))
        {
            let of_fallback: &[Source] = factory.fallback.as_ref().map_or(&[], |fallback| &fallback.sources);
            for source in factory.sources.iter().chain(of_fallback) {
                match *source {
                    Source::Input(input) => consumers[input] += 1,
                    Source::Factory(producer) => consumers[plan.inputs.len() + producer] += 1,
                    Source::Context => {}
                }
            }
        }
        for (index, factory) in plan.factories.iter().enumerate() {
            let taken = &mut consumers[plan.inputs.len() + index];
            // What nobody takes in this run is there after it.
            let kept = factory.kept || (*taken == 0 && !handling.is_empty());
            *taken += u32::from(kept && is_selected(&handling, index));
            if let Some(handling) = handling.get_mut(index) {
                handling.kept = kept && handling.selected;
            }
        }
        let slots: Box<[Slot]> = consumers.into_iter().map(Slot::new).collect();
        for (slot, input) in slots.iter().zip(inputs) {
            if let Some(payload) = input {
                slot.put(payload);
            }
        }
        for (node, payload) in std::mem::take(&mut options.provided) {
            slots[plan.inputs.len() + node].put(payload);
        }
        let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        let cancel = options.cancel.take();
        Self {
            schedule: Schedule::new(&plan, options.concurrency, threads),
            records: plan.factories.iter().map(|_| OnceLock::new()).collect(),
            phases: plan.factories.iter().map(|_| PhaseCell::default()).collect(),
            plan,
            steps,
            run_id: options.run_id.unwrap_or_else(Uuid::now_v7),
            session: options.session.take(),
            is_partial: options.is_partial,
            started: Instant::now(),
            linked: cancel.is_some() || options.cancel_on_ctrl_c || options.deadline.is_some(),
            // What cancels the run reaches its factories even while one of them keeps this thread to itself.
            cancel: cancel.map_or_else(CancellationToken::new, |cancel| cancel.child_token()),
            pool: Arc::new(BlockingPool::new(options.blocking_threads)),
            slots,
            failures: Mutex::default(),
            replaces: !options.replacements.is_empty(),
            replacements: Mutex::new(std::mem::take(&mut options.replacements)),
            observers: std::mem::take(&mut options.observers),
            no_write: options.no_write,
            handling,
            effective,
            resources: options
                .resources
                .take()
                .map(|shared| shared.of_run())
                .map_or_else(OnceLock::new, OnceLock::from),
            classifier: options.classifier,
            keep_going: options.keep_going,
            troubled: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            notes: Mutex::default(),
            why: AtomicU8::new(Why::Asked as u8),
            state_dir: options.state_dir.clone(),
            transaction: OnceLock::new(),
            undone: Mutex::default(),
            decided: AtomicBool::new(false),
            undone_in_task: AtomicBool::new(false),
            over: Notify::new(),
            is_over: AtomicBool::new(false),
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
        self.ended().await;
        own.0 = None;
    }

    /// Comes back when all factories have ended, and the blocking work that they left.
    pub(crate) async fn ended(&self) {
        while !self.is_over.load(Ordering::Acquire) {
            self.over.notified().await;
        }
        self.pool.idle().await;
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.over.notify_one();
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

    /// Whether the run leaves out all writes.
    pub(crate) fn is_dry(&self) -> bool {
        self.no_write
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

    /// As [`Shared::emit`], for events that borrow what is made for them.
    pub(crate) fn emit_with(&self, tell: impl FnOnce(&dyn Fn(&Event<'_>))) {
        if !self.observers.is_empty() {
            tell(&|event| {
                for observer in &self.observers {
                    contained(|| observer(event));
                }
            });
        }
    }

    /// What factories share with others outside of the program.
    pub(crate) fn resources(&self) -> &Resources {
        self.resources.get_or_init(|| Resources::default().of_run())
    }

    /// A resource with the bounds that hold in this run.
    pub(crate) fn bounds<'run>(&'run self, resource: &'run Resource) -> &'run Resource {
        self.effective.as_ref().map_or(resource, |effective| effective.resource(resource))
    }

    /// What was done with them, if there is any.
    pub(crate) fn resource_reports(&self) -> Vec<ResourceReport> {
        self.resources.get().map(Resources::report).unwrap_or_default()
    }

    /// The writes of this run.
    pub(crate) fn transaction(&self) -> &Transaction {
        self.transaction.get_or_init(|| {
            Box::new(Transaction::new(self.run_id, &self.plan.pipeline, self.state_dir.clone()))
        })
    }

    /// The writes of this run, if there are any.
    pub(crate) fn writes_of_run(&self) -> Option<&Transaction> {
        self.transaction.get().map(|transaction| &**transaction)
    }

    /// Whether this run has staged a write to this target.
    #[cfg_attr(not(feature = "polars"), allow(dead_code, reason = "connectors need the feature"))]
    pub(crate) fn has_staged(&self, target: &str) -> bool {
        self.transaction.get().is_some_and(|transaction| transaction.has_staged(target))
    }

    /// Rolls back what an attempt has written.
    pub(crate) async fn discard(self: &Arc<Self>, owner: Owner) {
        if self.transaction.get().is_some_and(|transaction| !transaction.is_empty()) {
            let shared = Arc::clone(self);
            let discard = move || drop(shared.transaction().discard(|of| of == owner));
            self.pool.run(move || contained(discard)).await;
        }
    }

    /// How the write outside of the transaction is undone that was completed last, of those that are left.
    pub(crate) fn last_undone(&self) -> Option<(usize, Undone)> {
        held(self.undone.lock()).pop()
    }

    /// Whether there is anything to undo outside of the transaction.
    pub(crate) fn has_undone(&self) -> bool {
        !held(self.undone.lock()).is_empty()
    }

    /// From now on nothing is undone.
    pub(crate) fn decide(&self) {
        self.decided.store(true, Ordering::Release);
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.decided.load(Ordering::Acquire)
    }

    /// Says that a task of its own undoes the writes, one after another.
    pub(crate) fn undo_in_task(&self) {
        self.undone_in_task.store(true, Ordering::Release);
    }

    pub(crate) fn is_undone_in_task(&self) -> bool {
        self.undone_in_task.load(Ordering::Acquire)
    }

    /// Drops what is needed to undo writes: they stay.
    pub(crate) fn forget_undone(&self) {
        let undone = std::mem::take(&mut *held(self.undone.lock()));
        undone.into_iter().for_each(|undo| contained(|| drop(undo)));
    }

    /// Whether another attempt may succeed.
    pub(crate) fn class_of(&self, cause: &Cause) -> Transience {
        match cause {
            Cause::Error(error) => {
                caught(|| classify_by(self.classifier, error)).unwrap_or(Transience::Permanent)
            }
            Cause::TimedOut(_) => Transience::Transient,
            Cause::Panic { .. } => Transience::Permanent,
        }
    }

    /// Gives up claims to what these deliver.
    pub(crate) fn release(&self, sources: &[Source]) {
        for slot in sources.iter().filter_map(|source| self.slot(*source)) {
            contained(|| slot.release());
        }
    }

    pub(crate) fn note(&self, node: usize, note: String) {
        held(self.notes.lock()).push((node, note));
    }

    pub(crate) fn take_notes(&self) -> Vec<(usize, String)> {
        std::mem::take(&mut *held(self.notes.lock()))
    }

    /// Whether the run was told to end before it failed.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    pub(crate) fn set_why(&self, why: Why) {
        self.why.store(why as u8, Ordering::Release);
    }

    pub(crate) fn why(&self) -> Why {
        if self.why.load(Ordering::Acquire) == Why::Deadline as u8 { Why::Deadline } else { Why::Asked }
    }

    /// What became of each factory; nothing for those that never started.
    pub(crate) fn records(&self) -> impl Iterator<Item = Option<&Record>> {
        self.records.iter().map(OnceLock::get)
    }

    pub(crate) fn take_failures(&self) -> Vec<FactoryError> {
        std::mem::take(&mut *held(self.failures.lock()))
    }

    pub(crate) fn kept_output(&self, node: usize) -> Option<AnyPayload> {
        let handling = self.handling.get(node);
        let kept = handling.map_or(self.plan.factories[node].kept, |handling| handling.kept);
        kept.then(|| self.slot(Source::Factory(node))?.share()).flatten()
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

    /// Whether a factory is to begin at all; if not, says what has become of it.
    #[inline]
    fn may_begin(&self, node: usize) -> bool {
        let plain = self.handling.is_empty() && !self.troubled.load(Ordering::Acquire);
        plain || self.may_begin_though(node)
    }

    /// As [`Shared::may_begin`], where there is something to find out.
    #[cold]
    fn may_begin_though(&self, node: usize) -> bool {
        let factory = &self.plan.factories[node];
        if let Some(handling) = self.handling.get(node) {
            if !handling.selected {
                self.left_out(node, Status::NotSelected);
                return false;
            }
            if !handling.enabled {
                self.release_all(node);
                self.note(node, "switched off in the settings".to_owned());
                self.skipped(node, None, Instant::now());
                return false;
            }
        }
        if self.troubled.load(Ordering::Acquire) && !self.has_all(&factory.sources, factory.deliveries) {
            self.release_all(node);
            return false;
        }
        true
    }

    /// Whether all is there that these deliveries need, although something has failed.
    pub(crate) fn has_all(&self, sources: &[Source], deliveries: &[Delivery]) -> bool {
        let is_there = |source: &Source, optional: bool| match *source {
            Source::Factory(above) => self.records[above].get().is_some_and(|record| match record.status {
                Status::Succeeded | Status::Restored | Status::NotSelected => true,
                Status::Skipped => optional,
                _ => false,
            }),
            Source::Input(_) | Source::Context => true,
        };
        sources.iter().zip(deliveries).all(|(source, delivery)| is_there(source, delivery.optional))
    }

    pub(crate) fn release_all(&self, node: usize) {
        let factory = &self.plan.factories[node];
        self.release(&factory.sources);
        if let Some(fallback) = &factory.fallback {
            self.release(&fallback.sources);
        }
    }

    fn left_out(&self, node: usize, status: Status) {
        self.record(
            node,
            Record { status, timing: Timing::default(), rows: None, attempts: 0, delivered_by: 0 },
        );
    }

    fn completed(&self, node: usize, completed: Completed) {
        let Completed { output, timing, rows, besides } = completed;
        let name = &self.plan.factories[node].name;
        let (mut attempts, mut delivered_by, mut restored) = (1, 1, false);
        if let Some(besides) = besides {
            let Besides { undo, attempt, instead_of, restored: is_restored } = *besides;
            (attempts, delivered_by, restored) = (attempt, attempt, is_restored);
            if let Some(undo) = undo {
                held(self.undone.lock()).push((node, undo));
            }
            if let Some(failure) = instead_of {
                // Those of the factory itself: the fallback has its own.
                attempts = failure.attempts;
                let by = self.plan.factories[node].fallback.as_ref().map_or("", |fallback| fallback.name);
                self.note(node, format!("by `{by}`, since it failed: {}", failure.cause.line()));
            }
        }
        self.slots[self.plan.inputs.len() + node].put(output);
        if restored {
            self.emit(|| Event::Restored { factory: name });
        } else {
            self.emit(|| Event::Finished { factory: name, total: timing.total(), rows });
        }
        let status = if restored { Status::Restored } else { Status::Succeeded };
        self.record(node, Record { status, timing, rows, attempts, delivered_by });
    }

    fn skipped(&self, node: usize, failure: Option<Box<Failure>>, started: Instant) {
        let attempts = failure.as_ref().map_or(0, |failure| failure.attempts);
        if let Some(session) = &self.session {
            session.skipped(node);
        }
        match failure {
            Some(failure) => self.note(node, format!("it failed: {}", failure.cause.line())),
            // Settings that switch it off have said so.
            None if self.handling.get(node).is_none_or(|handling| handling.enabled) => {
                self.note(node, "its condition does not hold".to_owned());
            }
            None => {}
        }
        self.ended_early(node, Status::Skipped, started, attempts);
        self.emit(|| Event::Skipped { factory: &self.plan.factories[node].name });
    }

    fn cancelled(&self, node: usize, started: Instant, attempts: u32) {
        self.ended_early(node, Status::Cancelled, started, attempts);
        self.emit(|| Event::Cancelled { factory: &self.plan.factories[node].name });
    }

    fn failed(&self, node: usize, failure: Failure, started: Instant) {
        let attempts = failure.attempts;
        let error = self.error_of(node, failure);
        let name = &self.plan.factories[node].name;
        {
            let mut failures = held(self.failures.lock());
            // What ends early because it is told to often does so with an error.
            let may_be_because_of_it = failures.is_empty() || self.keep_going;
            if may_be_because_of_it && self.linked && self.cancel.is_cancelled() {
                self.interrupted.store(true, Ordering::Release);
            }
            failures.push(error);
        }
        self.troubled.store(true, Ordering::Release);
        self.ended_early(node, Status::Failed, started, attempts);
        if self.keep_going {
            self.emit(|| Event::Failed { factory: name });
            return;
        }
        // Nothing starts after the event, and what is cancelled because of the failure is told after it.
        self.schedule.stop();
        self.emit(|| Event::Failed { factory: name });
        self.cancel.cancel();
    }

    /// A failure, with all the names that belong to it.
    pub(crate) fn error_of(&self, node: usize, failure: Failure) -> FactoryError {
        let Failure { phase, cause, attempts, fallback } = failure;
        let factory = &self.plan.factories[node];
        let fallback = fallback.map(|(name, failure)| {
            let error = self.error_of(node, *failure);
            Box::new(FactoryError { factory: name.to_owned(), ..error })
        });
        let transient = self.class_of(&cause) == Transience::Transient;
        let cause = match cause {
            Cause::Error(error) => Cause::Error(unmark(error)),
            other => other,
        };
        FactoryError {
            pipeline: self.plan.pipeline.to_string(),
            stage: self.plan.stages[factory.stage].name.to_string(),
            factory: factory.name.to_string(),
            phase,
            attempts,
            cause,
            transient,
            fallback,
        }
    }

    fn ended_early(&self, node: usize, status: Status, started: Instant, attempts: u32) {
        let timing = Timing::unfinished(started - self.started, started.elapsed());
        self.record(node, Record { status, timing, rows: None, attempts, delivered_by: 0 });
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
        in_run(Arc::clone(&self.shared), || self.drive(cx))
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
        if node >= shared.plan.factories.len() || shared.is_stopped() || !shared.may_begin(node) {
            return None;
        }
        // With checkpoints, it turns out later whether it runs.
        if shared.session.is_none() {
            shared.emit(|| Event::Started { factory: &shared.plan.factories[node].name });
        }
        let started = self.now.take().unwrap_or_else(Instant::now);
        let supervision = shared.handling.get(node).filter(|handling| handling.supervised);
        let (future, cancellable) = match (supervision, shared.replacement(node)) {
            (Some(handling), replacement) => {
                (supervised(Arc::clone(shared), node, handling.policy, replacement, started), false)
            }
            (None, Some(replacement)) => (replaced(Arc::clone(shared), node, replacement), true),
            (None, None) => {
                let job = Job::first(Arc::clone(shared), node, started);
                let step = &shared.steps[node];
                ((step.run)(job), !step.blocking)
            }
        };
        Some(Running { future, started, cancellable, cancelled: None })
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
            self.shared.end();
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
    enter(Owner { node, attempt: 1 });
    let failed = |cause| Failure { phase: shared.phases[node].get(), cause, attempts: 1, fallback: None };
    match caught(|| running.future.as_mut().poll(cx)) {
        Ok(Poll::Ready(Ok(completed))) => {
            let total = completed.timing.total();
            let ended = shared.started + completed.timing.start + total;
            shared.completed(node, completed);
            return Poll::Ready(Some(Took { total, ended }));
        }
        Ok(Poll::Ready(Err(Unfinished::Error(error)))) => {
            shared.failed(node, failed(Cause::Error(error)), running.started);
        }
        Ok(Poll::Ready(Err(Unfinished::Failed(failure)))) => shared.failed(node, *failure, running.started),
        Ok(Poll::Ready(Err(Unfinished::LeftOut))) => shared.left_out(node, Status::NotSelected),
        Ok(Poll::Ready(Err(Unfinished::Skipped(failure)))) => shared.skipped(node, failure, running.started),
        Err(panic) => shared.failed(node, failed(panic), running.started),
        Ok(Poll::Ready(Err(Unfinished::Cancelled(attempts)))) => {
            shared.cancelled(node, running.started, attempts);
        }
        Ok(Poll::Pending) if running.cancellable => {
            let cancelled =
                running.cancelled.get_or_insert_with(|| Box::pin(shared.cancel.clone().cancelled_owned()));
            ready!(cancelled.as_mut().poll(cx));
            shared.cancelled(node, running.started, 1);
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
                shared.cancelled(node as usize, running.started, 1);
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
                shared.end();
            }
        }
    }
}

/// Runs what stands in for a factory in a test, whose deliveries then go to nobody.
pub(super) fn replaced(shared: Arc<Shared>, node: usize, replacement: Replacement) -> BoxFuture<Outcome> {
    Box::pin(async move {
        shared.release(&shared.plan.factories[node].sources);
        shared.phases[node].set(Phase::Process);
        let started = Instant::now();
        let output = replacement().await.map_err(Unfinished::Error)?;
        let timing = Timing::unfinished(started - shared.started, started.elapsed());
        Ok(Completed { output, timing, rows: None, besides: None })
    })
}
