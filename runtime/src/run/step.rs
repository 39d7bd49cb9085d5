//! Runs one factory once: its deliveries, its steps, its times.

use std::any::{TypeId, type_name};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::current::Current;
use super::error::{Cause, NoTime};
use super::report::{Nanos, Phase, nanos};
use super::rows::Rows;
use super::shared::Shared;
use super::slot::{Untyped, by_value};
use crate::base::AnyPayload;
use crate::checkpoint::{FingerprintOf, Persistence};
use crate::context::Context;
use crate::delivery::{AutoLoad, Owned, Rehearsal};
use crate::factory::effects::Nature;
use crate::factory::{Factory, Fallback, Undo, has_write, is_unwritten};
use crate::plan::{Delivery, Source};
use crate::policy::Policy;
use crate::{Error, Result};
use setl_commit::Owner;

use crate::storage::delivered;

/// A boxed future, known only by its output.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The origin of a restored output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Checkpoint,
    Cache,
}

/// The attempt number of outputs from earlier runs.
pub(crate) const EARLIER: u32 = 0;

/// The result of a factory.
pub(crate) type Outcome = Result<Completed, Unfinished>;

pub(crate) struct Completed {
    pub(crate) output: AnyPayload,
    pub(crate) timing: Nanos,
    pub(crate) rows: Rows,
    /// Data that only few factories have. It is boxed, because each factory moves this struct.
    pub(crate) besides: Option<Box<Besides>>,
    /// The reference of the factory to its run, for the next factory of the same driver. Reusing it avoids contention on the
    /// reference count.
    pub(crate) spare: Option<Arc<Shared>>,
}

pub(crate) struct Besides {
    /// The undo function for effects outside of the transaction.
    pub(crate) undo: Option<Undone>,
    /// The attempt that succeeded, counted from 1.
    pub(crate) attempt: u32,
    /// The failure that its fallback replaces.
    pub(crate) instead_of: Option<Box<Failure>>,
    /// The earlier run from which the output was taken, if there is one.
    pub(crate) earlier: Option<From>,
    /// `true` if the factory has a `write` of its own, and it has run.
    pub(crate) writes: bool,
    /// Computes the output that a dry run does not write.
    pub(crate) rehearsal: Option<Rehearsal>,
}

impl Default for Besides {
    /// The values for a factory with a single attempt.
    fn default() -> Self {
        Self { undo: None, attempt: 1, instead_of: None, earlier: None, writes: false, rehearsal: None }
    }
}

impl Completed {
    pub(crate) fn besides(&mut self) -> &mut Besides {
        self.besides.get_or_insert_default()
    }
}

/// Undoes the writes of a factory.
pub(crate) type Undone = Box<dyn FnOnce() -> BoxFuture<Result<()>> + Send>;

pub(crate) enum Unfinished {
    /// The factory failed for the first time.
    Error(Error),
    /// The factory failed in all its attempts.
    Failed(Box<Failure>),
    /// Nothing needs the factory, because the outputs downstream of it are already available.
    LeftOut,
    /// The factory was skipped: by its condition, or because it failed.
    Skipped(Option<Box<Failure>>),
    /// The factory was dropped or cancelled in this attempt.
    Cancelled(u32),
}

/// The failure of a factory after its last attempt.
pub(crate) struct Failure {
    pub(crate) phase: Phase,
    pub(crate) cause: Cause,
    /// The number of attempts.
    pub(crate) attempts: u32,
    /// The wait that left no time for another attempt.
    pub(crate) no_time: Option<NoTime>,
    /// The failure of its fallback, with its name.
    pub(crate) fallback: Option<(&'static str, Box<Failure>)>,
}

impl std::convert::From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The functions that run one factory of a pipeline, without its type.
#[derive(Clone, Copy)]
pub struct Step {
    pub(crate) run: fn(Job) -> BoxFuture<Outcome>,
    pub(crate) blocking: bool,
    pub(crate) policy: &'static Policy,
    pub(crate) fallback: &'static Option<Fallback>,
    pub(crate) code: u128,
    pub(crate) identity: fn() -> Identity,
    pub(crate) persistence: fn() -> Option<Persistence>,
    pub(crate) content: fn() -> Option<FingerprintOf>,
    pub(crate) nature: fn() -> Nature,
}

impl Step {
    /// The step that runs `F`.
    pub const fn of<F: Factory>() -> Self {
        Self {
            run: if F::BLOCKING { run_blocking::<F> } else { run::<F> },
            blocking: F::BLOCKING,
            policy: F::POLICY,
            fallback: const { &F::FALLBACK },
            code: F::CODE,
            identity: || Identity { name: type_name::<F>(), id: TypeId::of::<F>() },
            persistence: F::persistence,
            content: F::content,
            nature: Nature::of::<F>,
        }
    }
}

/// The type of a factory. It distinguishes factories with the same name.
pub(crate) struct Identity {
    /// The name with its path.
    pub(crate) name: &'static str,
    /// Distinguishes types with equal names, within one program.
    pub(crate) id: TypeId,
}

/// One attempt of a factory in its run.
pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: usize,
    pub(crate) started: Instant,
    /// The data of an attempt that may not be the only one.
    pub(crate) trial: Option<Box<Trial>>,
}

pub(crate) struct Trial {
    /// The number of the attempt, from 1.
    pub(crate) attempt: u32,
    /// `true` if it leaves its deliveries for another attempt.
    pub(crate) leaves: bool,
    /// `true` if the fallback runs in place of the factory.
    pub(crate) stands_in: bool,
    /// Cancels this attempt, if it can end before the run does.
    pub(crate) cancel: Option<CancellationToken>,
}

impl Job {
    pub(crate) fn first(shared: Arc<Shared>, node: usize, started: Instant) -> Self {
        Self { shared, node, started, trial: None }
    }

    #[inline]
    fn owner(&self) -> Owner {
        Owner { node: self.node, attempt: self.trial.as_ref().map_or(1, |trial| trial.attempt) }
    }

    #[inline]
    fn leaves(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.leaves)
    }

    /// Ends an attempt whose time limit has passed. It blocked its thread until now, and its result does not count.
    #[inline]
    fn check_time(&self) -> Result<(), Unfinished> {
        let own = self.trial.as_ref().and_then(|trial| trial.cancel.as_ref());
        match own {
            Some(cancel) if cancel.is_cancelled() && !self.shared.cancel.is_cancelled() => {
                Err(Unfinished::Cancelled(self.owner().attempt))
            }
            _ => Ok(()),
        }
    }

    /// The token of this attempt alone.
    fn own_cancel(&self) -> Option<CancellationToken> {
        self.trial.as_ref().and_then(|trial| trial.cancel.clone())
    }

    fn cancel(&self) -> CancellationToken {
        let own = self.trial.as_ref().and_then(|trial| trial.cancel.as_ref());
        own.unwrap_or(&self.shared.cancel).clone()
    }
}

fn run<F: Factory>(job: Job) -> BoxFuture<Outcome> {
    let is_dry = job.shared.is_dry();
    let live = Box::pin(live::<F>(job));
    if is_dry { rehearsing(live) } else { live }
}

fn run_blocking<F: Factory>(mut job: Job) -> BoxFuture<Outcome> {
    let shared = Arc::clone(&job.shared);
    let owner = job.owner();
    let current = Current { shared: Arc::clone(&shared), owner };
    let live = move || {
        // The factory may have waited a long time for a thread.
        if job.shared.is_stopped() {
            return Err(Unfinished::Cancelled(1));
        }
        job.started = Instant::now();
        let cancel = job.cancel();
        let live = async {
            tokio::select! {
                biased;
                outcome = run::<F>(job) => outcome,
                // This only interrupts the factory at an `.await`.
                () = cancel.cancelled() => Err(Unfinished::Cancelled(1)),
            }
        };
        // The runtime must not poll this: a thread that it drives may neither block nor drive another runtime.
        current.scope(|| pollster::block_on(live))
    };
    Box::pin(async move {
        shared.watch_threads();
        shared.pool.run_for(owner, live).await.unwrap_or_else(|| {
            // The runtime shuts down, but this future still runs.
            shared.stop();
            Err(Unfinished::Cancelled(1))
        })
    })
}

/// Creates the factory with its deliveries, unless its condition skips it.
fn assembled<F: Factory>(job: &Job) -> Result<F, Unfinished> {
    let mut inbox = Inbox { job, next: 0 };
    let deliveries = F::receive(&mut inbox)?;
    // All deliveries are taken.
    std::mem::forget(inbox);
    if F::POLICY.conditional {
        job.shared.phases[job.node].set(Phase::Condition);
        if !F::is_due(&deliveries)? {
            return Err(Unfinished::Skipped(None));
        }
        job.shared.phases[job.node].set(Phase::Assemble);
    }
    Ok(F::assemble(deliveries))
}

/// Runs a factory from its deliveries to its output.
///
/// This function is compiled for each factory and runs once. Code that does not need the type is in [`Life`].
async fn live<F: Factory>(job: Job) -> Outcome {
    let mut factory: F = assembled(&job)?;
    let mut life = Life::new(job);
    factory.read().await?;
    life.process()?;
    let mut output = factory.process().await?;
    let (mut undo, mut writes) = (None, false);
    let written = life.writes()?;
    if written {
        let write = factory.write(&output);
        // Without a policy, nothing needs to know whether the factory writes.
        writes = life.is_asked() && !is_unwritten(&write);
        write.await?;
        undo = F::undo();
    }
    // The inputs of the factory are dropped before others get its output, unless it may have to undo its effects.
    let undo = match undo {
        Some(undo) => Some(undone(undo, factory)),
        None => {
            drop(factory);
            None
        }
    };
    life.written();
    let rows = F::inspect(&mut output);
    let rehearsal = match !written && life.job.shared.is_dry() && has_write::<F>() {
        true => (F::abilities().inspect.rehearsal)(&output),
        false => None,
    };
    let mut completed = life.end(Arc::new(output), rows, undo, writes);
    if rehearsal.is_some() {
        completed.besides().rehearsal = rehearsal;
    }
    Ok(completed)
}

/// Computes the output that a dry run does not write. It is not part of `live`, to keep the futures of all factories small.
fn rehearsing(live: BoxFuture<Outcome>) -> BoxFuture<Outcome> {
    Box::pin(async move {
        let mut completed = live.await?;
        if let Some(rehearsal) = completed.besides.as_mut().and_then(|besides| besides.rehearsal.take()) {
            let rows = super::blocking::blocking(rehearsal).await?;
            completed.rows = rows.map_or(completed.rows, Rows::Known);
        }
        Ok(completed)
    })
}

/// The progress of a factory after it has its deliveries.
struct Life {
    job: Job,
    read: Instant,
    processed: Instant,
    written: Instant,
}

impl Life {
    #[inline(never)]
    fn new(job: Job) -> Self {
        job.shared.phases[job.node].set(Phase::Read);
        let started = job.started;
        Self { job, read: started, processed: started, written: started }
    }

    #[inline(never)]
    fn process(&mut self) -> Result<(), Unfinished> {
        self.read = Instant::now();
        self.job.check_time()?;
        self.job.shared.phases[self.job.node].set(Phase::Process);
        Ok(())
    }

    /// `true` if its effects must be known.
    fn is_asked(&self) -> bool {
        self.job.trial.is_some() || self.job.shared.is_nested()
    }

    /// `true` if it is to write its output.
    #[inline(never)]
    fn writes(&mut self) -> Result<bool, Unfinished> {
        self.processed = Instant::now();
        self.job.check_time()?;
        let Job { shared, node, .. } = &self.job;
        if shared.was_notified(self.job.owner()) {
            // The factory may have ended early because of the cancellation, so its output may be incomplete.
            return Err(Unfinished::Cancelled(self.job.owner().attempt));
        }
        let writes = shared.writes(*node);
        if writes {
            shared.phases[*node].set(Phase::Write);
        }
        Ok(writes)
    }

    #[inline(never)]
    fn written(&mut self) {
        self.written = Instant::now();
    }

    #[inline(never)]
    fn end(self, output: AnyPayload, rows: Rows, undo: Option<Undone>, writes: bool) -> Completed {
        if writes || undo.is_some() {
            self.job.shared.acts_in_outer();
        }
        let Self { job, read, processed, written } = self;
        let timing = Nanos {
            start: nanos(job.started - job.shared.started),
            retry_time: 0,
            read: nanos(read - job.started),
            process: nanos(processed - read),
            write: nanos(written - processed),
        };
        let besides = (undo.is_some() || job.trial.is_some())
            .then(|| Box::new(Besides { undo, attempt: job.owner().attempt, writes, ..Besides::default() }));
        Completed { output, timing, rows, besides, spare: Some(job.shared) }
    }
}

fn undone<F: Factory>(undo: Undo<F>, factory: F) -> Undone {
    if !F::BLOCKING {
        return Box::new(move || undo(factory));
    }
    Box::new(move || Box::pin(super::blocking::blocking(move || pollster::block_on(undo(factory)))))
}

/// The source of the deliveries of a factory. `delivery` is a position in [`FactoryItem::DELIVERIES`].
///
/// [`FactoryItem::DELIVERIES`]: crate::factory::FactoryItem::DELIVERIES
pub struct Inbox<'run> {
    job: &'run Job,
    /// The position of the first delivery that has not been taken. Deliveries are taken in order.
    next: usize,
}

impl Drop for Inbox<'_> {
    /// Releases the deliveries that a factory does not take because it fails before.
    fn drop(&mut self) {
        if !self.job.leaves() {
            self.job.shared.release(self.taken().1.get(self.next..).unwrap_or_default());
        }
    }
}

impl Inbox<'_> {
    /// Takes a delivery by value.
    ///
    /// # Errors
    /// When the delivery is not available, which the plan rules out.
    pub fn take<T: Owned>(&mut self, delivery: usize) -> Result<T> {
        by_value(|see| self.claim(delivery, see)).ok_or_else(|| self.absent(delivery))
    }

    /// Takes an optional delivery by value.
    ///
    /// # Errors
    /// None today.
    pub fn take_optional<T: Owned>(&mut self, delivery: usize) -> Result<Option<T>> {
        Ok(by_value(|see| self.claim(delivery, see)))
    }

    /// Returns the payload to its last consumer. Otherwise shows it through `see`, if it is available.
    #[inline(never)]
    fn claim(&mut self, delivery: usize, see: &mut dyn FnMut(&Untyped)) -> Option<AnyPayload> {
        self.next = delivery + 1;
        match self.job.shared.slot(self.source(delivery)) {
            Some(slot) if self.job.leaves() => {
                slot.peek(see);
                None
            }
            Some(slot) => slot.consume(see).map(delivered),
            None => Some(Arc::new(self.context())),
        }
    }

    /// Takes a delivery that is shared with others.
    ///
    /// # Errors
    /// When the delivery is not available, which the plan rules out.
    pub fn share<T: Send + Sync + 'static>(&mut self, delivery: usize) -> Result<Arc<T>> {
        self.share_optional(delivery)?.ok_or_else(|| self.absent(delivery))
    }

    /// Takes an optional delivery that is shared with others.
    ///
    /// # Errors
    /// None today.
    pub fn share_optional<T: Send + Sync + 'static>(&mut self, delivery: usize) -> Result<Option<Arc<T>>> {
        Ok(self.claim_shared(delivery).and_then(|payload| payload.downcast().ok()))
    }

    #[inline(never)]
    fn claim_shared(&mut self, delivery: usize) -> Option<AnyPayload> {
        self.next = delivery + 1;
        match self.job.shared.slot(self.source(delivery)) {
            Some(slot) if self.job.leaves() => slot.peek_shared().map(delivered),
            Some(slot) => slot.share().map(delivered),
            None => Some(Arc::new(self.context())),
        }
    }

    /// Takes a delivery that is loaded from a delivered source.
    ///
    /// # Errors
    /// When loading fails.
    pub fn load<T>(&mut self, delivery: usize, condition: Option<T::Condition>) -> Result<T>
    where
        T: AutoLoad,
        T::Source: Send + Sync + 'static,
    {
        let source = self.share::<T::Source>(delivery)?;
        T::auto_load(&source, condition).map_err(|error| self.cannot_load(delivery, error))
    }

    /// Does the same as [`Inbox::load`], from an optional source.
    ///
    /// # Errors
    /// When loading fails.
    pub fn load_optional<T>(&mut self, delivery: usize, condition: Option<T::Condition>) -> Result<Option<T>>
    where
        T: AutoLoad,
        T::Source: Send + Sync + 'static,
    {
        let Some(source) = self.share_optional::<T::Source>(delivery)? else { return Ok(None) };
        let loaded = T::auto_load(&source, condition);
        loaded.map(Some).map_err(|error| self.cannot_load(delivery, error))
    }

    fn cannot_load(&self, delivery: usize, error: Error) -> Error {
        let (deliveries, _) = self.taken();
        error.context(format!("cannot load delivery `{}`", deliveries[delivery].name))
    }

    /// The deliveries with their sources: those of the factory, or of its fallback.
    fn taken(&self) -> (&[Delivery], &[Source]) {
        let node = &self.job.shared.plan.factories[self.job.node];
        match &node.fallback {
            Some(fallback) if self.job.trial.as_ref().is_some_and(|trial| trial.stands_in) => {
                (fallback.deliveries, &fallback.sources)
            }
            _ => (node.deliveries, &node.sources),
        }
    }

    #[inline]
    fn source(&self, delivery: usize) -> Source {
        if self.job.trial.is_none() {
            return self.job.shared.plan.factories[self.job.node].sources[delivery];
        }
        self.taken().1[delivery]
    }

    fn context(&self) -> Context {
        Context::new(Arc::clone(&self.job.shared), self.job.owner(), self.job.own_cancel())
    }

    /// A payload of the planned type is available before a factory starts: anything else is a bug of this crate.
    #[cold]
    fn absent(&self, at: usize) -> Error {
        let (deliveries, sources) = self.taken();
        anyhow::anyhow!(
            "delivery `{}` of type `{}` did not arrive from `{}`; this is a mistake in setl, please report it",
            deliveries[at].name,
            deliveries[at].type_name,
            self.job.shared.plan.source_name(sources[at]),
        )
    }
}
