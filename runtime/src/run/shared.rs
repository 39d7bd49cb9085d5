//! The state that all drivers of a run share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::blocking::BlockingPool;
use super::current::Current;
use super::error::{Cause, FactoryError};
use super::factory_config::FactoryConfig;
use super::hook::{Hooks, Points};
use super::observer::Observers;
use super::report::{PhaseCell, Record, Status};
use super::schedule::Schedule;
use super::slot::Slot;
use super::step::{BoxFuture, Step, Undone};
use super::threads::Threads;
use crate::base::AnyPayload;
use crate::base::panic::{caught, contained};
use crate::base::sync::held;
use crate::checkpoint::FingerprintOf;
use crate::plan::{PlanRef, Source};
use crate::policy::{Classifier, Effective, Resource, ResourceReport, Resources, Transience, classify_by};
use setl_commit::{Owner, Transaction};

/// A replacement of a factory: see [`testing`](crate::testing).
pub(crate) type Replacement = Box<dyn FnOnce() -> BoxFuture<crate::Result<AnyPayload>> + Send>;

/// The steps of a pipeline: a constant, or created at run time.
#[derive(Clone)]
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
#[derive(Clone)]
pub(crate) struct Launch {
    pub(crate) plan: PlanRef,
    pub(crate) steps: Steps,
    pub(crate) inputs: Vec<Option<AnyPayload>>,
    /// The fingerprint function of each input, if there is one.
    pub(crate) fingerprints: Vec<Option<FingerprintOf>>,
    /// `true` if the same factory may occur under two names with the same deliveries.
    pub(crate) has_twins: bool,
}

/// The state that all drivers of a run share.
///
/// The alignment keeps the fields that are read for each factory out of the cache line of the reference count.
#[repr(align(128))]
pub(crate) struct Shared {
    pub(crate) plan: PlanRef,
    pub(crate) steps: Steps,
    pub(crate) run_id: Uuid,
    pub(crate) started: Instant,
    /// Cancelled when the run is to end: by a failure, by dropping its future, or from outside.
    pub(crate) cancel: CancellationToken,
    pub(crate) pool: Arc<BlockingPool>,
    /// The capabilities that take part in the run.
    pub(crate) hooks: Hooks,
    /// `true` if only some factories were selected.
    pub(crate) is_partial: bool,
    /// In a separate allocation, because all drivers take its lock, and read the fields beside it for each factory.
    pub(crate) schedule: Box<Schedule>,
    /// The slots of the inputs, then those of the factories.
    pub(crate) slots: Box<[Slot]>,
    pub(crate) records: Box<[OnceLock<Record>]>,
    /// The phase of each factory.
    pub(crate) phases: Box<[PhaseCell]>,
    /// The configuration of each factory. Empty if all have the default one.
    pub(crate) configs: Box<[FactoryConfig]>,
    /// `None` if no factory has a policy.
    pub(crate) effective: Option<Box<Effective>>,
    /// Created on first use.
    pub(crate) resources: OnceLock<Resources>,
    pub(crate) classifier: Option<Classifier>,
    pub(crate) keep_going: bool,
    /// `true` if a factory has failed and the run continues.
    pub(crate) has_failure: AtomicBool,
    /// `true` if a failure came after the run was cancelled, and nothing else had ended it.
    pub(crate) interrupted: AtomicBool,
    pub(crate) failures: Mutex<Vec<FactoryError>>,
    pub(crate) notes: Mutex<Vec<(usize, String)>>,
    /// The threads that have worked for this run.
    pub(crate) threads: Threads,
    pub(crate) replaces: bool,
    pub(crate) replacements: Mutex<Vec<(usize, Replacement)>>,
    pub(crate) observers: Observers,
    pub(crate) no_write: bool,
    /// The factories that do not write, although their stages do.
    pub(crate) no_write_of: Vec<usize>,
    /// `true` if the run can be cancelled from outside.
    pub(crate) linked: bool,
    /// The cancellation reason, if the run is cancelled from outside.
    pub(crate) cancel_reason: AtomicU8,
    /// The attempts that know that they are cancelled, or can find it out.
    pub(crate) cancel_notified: Mutex<Vec<Owner>>,
    pub(crate) state_dir: Option<PathBuf>,
    /// Created on the first write.
    pub(crate) transaction: OnceLock<Box<Transaction>>,
    /// The undo functions of writes outside of the transaction, in the order in which the writes were completed.
    pub(crate) undone: Mutex<Vec<(usize, Undone)>>,
    /// `true` if the writes are visible, or will be.
    pub(crate) decided: AtomicBool,
    /// `true` if a separate task undoes the writes.
    pub(crate) undone_in_task: AtomicBool,
    pub(crate) over: Notify,
    pub(crate) is_over: AtomicBool,
    /// The runs that factories have started: each holds a permit until it has ended completely.
    pub(crate) nested: OnceLock<Arc<Semaphore>>,
    /// The factory that started this run, if outputs that depend on it are kept.
    pub(crate) outer: OnceLock<Current>,
}

/// Enough permits for all nested runs of one run.
const NESTED: u32 = u32::MAX >> 4;

/// The reason why a run is cancelled from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CancelReason {
    /// The cancellation was requested.
    Requested = 0,
    /// The run exceeded its deadline.
    Deadline = 1,
    /// The process exceeded its memory limit.
    Memory = 2,
}

impl Shared {
    /// Waits until all factories and their remaining blocking work have ended.
    pub(crate) async fn ended(&self) {
        while !self.is_over.load(Ordering::Acquire) {
            self.over.notified().await;
        }
        self.pool.idle().await;
        for hook in self.hooks.at(Points::WAIT) {
            hook.idle().await;
        }
        if let Some(nested) = self.nested.get() {
            drop(nested.acquire_many(NESTED).await);
        }
    }

    /// Counts a run that a factory has started: this run does not end before it.
    pub(crate) fn nest(&self) -> Option<OwnedSemaphorePermit> {
        let nested = self.nested.get_or_init(|| Arc::new(Semaphore::new(NESTED as usize)));
        Arc::clone(nested).try_acquire_owned().ok()
    }

    pub(crate) fn end(&self) {
        // The last event does not come after the outcome of the run, which awaits this.
        self.end_part();
        self.is_over.store(true, Ordering::Release);
        self.over.notify_one();
    }

    /// The time that a factory has waited for the queries of others.
    pub(crate) fn waited(&self, node: usize) -> Duration {
        self.hooks.at(Points::WAIT).map(|hook| hook.waited(node)).sum()
    }

    /// Prevents further factories from starting, and drops those that wait at an `await`.
    pub(crate) fn stop(&self) {
        self.schedule.stop();
        self.cancel.cancel();
    }

    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.schedule.is_stopped() || (self.linked && self.cancel.is_cancelled())
    }

    /// The slot of a delivery. `None` for the context.
    #[inline]
    pub(crate) fn slot(&self, source: Source) -> Option<&Slot> {
        match source {
            Source::Input(input) => Some(&self.slots[input]),
            Source::Factory(factory) => Some(&self.slots[self.plan.inputs.len() + factory]),
            Source::Context => None,
        }
    }

    /// `true` if the run leaves out all writes.
    pub(crate) fn is_dry(&self) -> bool {
        self.no_write
    }

    #[inline]
    pub(crate) fn writes(&self, node: usize) -> bool {
        !self.no_write
            && !self.plan.stages[self.plan.factories[node].stage].no_write
            && !self.no_write_of.contains(&node)
    }

    /// The state of the resources that factories share with others.
    pub(crate) fn resources(&self) -> &Resources {
        self.resources.get_or_init(|| Resources::default().of_run())
    }

    /// A resource with the limits of this run.
    pub(crate) fn bounds<'run>(&'run self, resource: &'run Resource) -> &'run Resource {
        self.effective.as_ref().map_or(resource, |effective| effective.resource(resource))
    }

    /// The reports of the resources that were used.
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

    /// `true` if this run has staged a write to this target.
    pub(crate) fn has_staged(&self, target: &str) -> bool {
        self.transaction.get().is_some_and(|transaction| transaction.has_staged(target))
    }

    /// Rolls back the writes of an attempt.
    pub(crate) async fn discard(self: &Arc<Self>, owner: Owner) {
        if self.transaction.get().is_some_and(|transaction| !transaction.is_empty()) {
            let shared = Arc::clone(self);
            let discard = move || drop(shared.transaction().discard(|of| of == owner));
            self.pool.run(move || contained(discard)).await;
        }
    }

    /// Takes the undo function of the last completed write outside of the transaction.
    pub(crate) fn last_undone(&self) -> Option<(usize, Undone)> {
        held(self.undone.lock()).pop()
    }

    /// `true` if there is anything to undo outside of the transaction.
    pub(crate) fn has_undone(&self) -> bool {
        !held(self.undone.lock()).is_empty()
    }

    /// Records that the commit is decided: from now on nothing is undone.
    pub(crate) fn decide(&self) {
        self.decided.store(true, Ordering::Release);
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.decided.load(Ordering::Acquire)
    }

    /// Records that a separate task undoes the writes, one after another.
    pub(crate) fn undo_in_task(&self) {
        self.undone_in_task.store(true, Ordering::Release);
    }

    pub(crate) fn is_undone_in_task(&self) -> bool {
        self.undone_in_task.load(Ordering::Acquire)
    }

    /// Drops the undo functions, because the writes stay.
    pub(crate) fn forget_undone(&self) {
        let undone = std::mem::take(&mut *held(self.undone.lock()));
        undone.into_iter().for_each(|undo| contained(|| drop(undo)));
    }

    /// `Transient` if another attempt may succeed.
    pub(crate) fn class_of(&self, cause: &Cause) -> Transience {
        match cause {
            Cause::Error(error) => {
                caught(|| classify_by(self.classifier, error)).unwrap_or(Transience::Permanent)
            }
            Cause::TimedOut(_) => Transience::Transient,
            Cause::Panic { .. } => Transience::Permanent,
        }
    }

    /// Releases the claims on these outputs.
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

    /// `true` if the run was cancelled before it failed.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// Records that an attempt knows that it is cancelled.
    pub(crate) fn tell(&self, owner: Owner) {
        let mut told = held(self.cancel_notified.lock());
        if !told.contains(&owner) {
            told.push(owner);
        }
    }

    /// `true` if this attempt was cancelled and knew it.
    #[inline]
    pub(crate) fn was_notified(&self, owner: Owner) -> bool {
        // Checking the token takes a lock.
        (self.linked || self.schedule.is_stopped())
            && self.cancel.is_cancelled()
            && held(self.cancel_notified.lock()).contains(&owner)
    }

    pub(crate) fn set_cancel_reason(&self, why: CancelReason) {
        self.cancel_reason.store(why as u8, Ordering::Release);
    }

    pub(crate) fn cancel_reason(&self) -> CancelReason {
        [CancelReason::Deadline, CancelReason::Memory]
            .into_iter()
            .find(|why| self.cancel_reason.load(Ordering::Acquire) == *why as u8)
            .unwrap_or(CancelReason::Requested)
    }

    /// The record of each factory. `None` for factories that never started.
    pub(crate) fn records(&self) -> impl Iterator<Item = Option<&Record>> {
        self.records.iter().map(|record| record.get().filter(|record| record.status != Status::NotRun))
    }

    /// `true` if this factory has its final status.
    pub(crate) fn has_ended(&self, node: usize) -> bool {
        self.records[node].get().is_some()
    }

    pub(crate) fn take_failures(&self) -> Vec<FactoryError> {
        std::mem::take(&mut *held(self.failures.lock()))
    }

    #[inline]
    pub(crate) fn kept_output(&self, node: usize) -> Option<AnyPayload> {
        let config = self.configs.get(node);
        let kept = config.map_or(self.plan.factories[node].kept, |config| config.kept);
        kept.then(|| self.slot(Source::Factory(node))?.share()).flatten()
    }

    /// Drops the outputs for factories that did not run, so that a remaining [`Context`](crate::Context) does not keep them.
    pub(crate) fn drop_undelivered(&self) {
        for slot in &self.slots {
            contained(|| slot.clear());
        }
    }

    #[inline]
    pub(crate) fn replacement(&self, node: usize) -> Option<Replacement> {
        if !self.replaces {
            return None;
        }
        let mut replacements = held(self.replacements.lock());
        let at = replacements.iter().position(|(replaced, _)| *replaced == node)?;
        Some(replacements.swap_remove(at).1)
    }
}
