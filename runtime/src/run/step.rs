//! Running one factory: its deliveries, its life cycle, its times.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::executor::Shared;
use super::report::{Phase, Timing};
use crate::context::Context;
use crate::delivery::{AutoLoad, Owned};
use crate::factory::Factory;
use crate::pipeline::AnyPayload;
use crate::plan::Source;
use crate::{Error, Result};

/// A future of which nothing is known but what comes out.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a factory came to.
pub(crate) type Outcome = Result<Completed, Unfinished>;

pub(crate) struct Completed {
    pub(crate) output: AnyPayload,
    pub(crate) timing: Timing,
    pub(crate) rows: Option<usize>,
}

pub(crate) enum Unfinished {
    Error(Error),
    Cancelled,
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// How to run one factory of a pipeline, without its type.
#[derive(Clone, Copy)]
pub struct Step {
    pub(crate) run: fn(Job) -> BoxFuture<Outcome>,
}

impl Step {
    /// The step that runs `F`.
    pub const fn of<F: Factory>() -> Self {
        Self { run: if F::BLOCKING { run_blocking::<F> } else { run::<F> } }
    }
}

/// The factory that a step runs, in its run.
pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: usize,
    pub(crate) started: Instant,
}

fn run<F: Factory>(job: Job) -> BoxFuture<Outcome> {
    Box::pin(live::<F>(job))
}

fn run_blocking<F: Factory>(mut job: Job) -> BoxFuture<Outcome> {
    let shared = Arc::clone(&job.shared);
    let runtime = tokio::runtime::Handle::current();
    let live = move || {
        // It may have waited long for a thread.
        if job.shared.is_stopped() {
            return Err(Unfinished::Cancelled);
        }
        job.started = Instant::now();
        let cancel = job.shared.cancel.clone();
        runtime.block_on(async {
            tokio::select! {
                biased;
                outcome = live::<F>(job) => outcome,
                // Only where it waits.
                () = cancel.cancelled() => Err(Unfinished::Cancelled),
            }
        })
    };
    Box::pin(async move {
        shared.pool.run(live).await.unwrap_or_else(|| {
            // The runtime shuts down, but not with this future in it.
            shared.stop();
            Err(Unfinished::Cancelled)
        })
    })
}

/// The life of a factory, from its deliveries to its output.
async fn live<F: Factory>(job: Job) -> Outcome {
    let phase = &job.shared.phases[job.node];
    let started = job.started;
    let mut inbox = Inbox { shared: &job.shared, node: job.node };
    let mut factory = F::assemble(F::receive(&mut inbox)?);
    factory.read().await?;
    let read = Instant::now();
    phase.set(Phase::Process);
    let mut output = factory.process().await?;
    let processed = Instant::now();
    if job.shared.writes(job.node) {
        phase.set(Phase::Write);
        factory.write(&output).await?;
    }
    // What the factory was given is gone before others get its output.
    drop(factory);
    let written = Instant::now();
    let rows = F::inspect(&mut output);
    let timing = Timing {
        start: started - job.shared.started,
        read: read - started,
        process: processed - read,
        write: written - processed,
    };
    Ok(Completed { output: Arc::new(output), timing, rows })
}

/// Where a factory takes its deliveries from; `delivery` is a position in [`FactoryItem::DELIVERIES`].
///
/// [`FactoryItem::DELIVERIES`]: crate::factory::FactoryItem::DELIVERIES
pub struct Inbox<'run> {
    shared: &'run Arc<Shared>,
    node: usize,
}

impl Inbox<'_> {
    /// A delivery by value.
    ///
    /// # Errors
    /// When it is not there, which the plan rules out.
    pub fn take<T: Owned>(&mut self, delivery: usize) -> Result<T> {
        self.take_optional(delivery)?.ok_or_else(|| self.absent(delivery))
    }

    /// A delivery by value, which may be absent.
    ///
    /// # Errors
    /// None today.
    pub fn take_optional<T: Owned>(&mut self, delivery: usize) -> Result<Option<T>> {
        match self.shared.slot(self.source(delivery)) {
            Some(slot) => Ok(slot.take()),
            None => {
                let context: Box<dyn Any> = Box::new(self.context());
                Ok(context.downcast::<T>().ok().map(|context| *context))
            }
        }
    }

    /// A delivery together with others.
    ///
    /// # Errors
    /// When it is not there, which the plan rules out.
    pub fn share<T: Send + Sync + 'static>(&mut self, delivery: usize) -> Result<Arc<T>> {
        self.share_optional(delivery)?.ok_or_else(|| self.absent(delivery))
    }

    /// A delivery together with others, which may be absent.
    ///
    /// # Errors
    /// None today.
    pub fn share_optional<T: Send + Sync + 'static>(&mut self, delivery: usize) -> Result<Option<Arc<T>>> {
        let payload = match self.shared.slot(self.source(delivery)) {
            Some(slot) => slot.share(),
            None => Some(Arc::new(self.context()) as AnyPayload),
        };
        Ok(payload.and_then(|payload| payload.downcast().ok()))
    }

    /// A delivery that is loaded from a delivered source.
    ///
    /// # Errors
    /// When loading fails.
    pub fn load<T>(&mut self, delivery: usize, condition: Option<T::Condition>) -> Result<T>
    where
        T: AutoLoad,
        T::Source: Send + Sync + 'static,
    {
        let source = self.share::<T::Source>(delivery)?;
        let name = self.shared.plan.factories[self.node].deliveries[delivery].name;
        T::auto_load(&source, condition)
            .map_err(|error| error.context(format!("cannot load delivery `{name}`")))
    }

    /// Like [`Inbox::load`], from a source which may be absent.
    ///
    /// # Errors
    /// When loading fails.
    pub fn load_optional<T>(&mut self, delivery: usize, condition: Option<T::Condition>) -> Result<Option<T>>
    where
        T: AutoLoad,
        T::Source: Send + Sync + 'static,
    {
        let Some(source) = self.share_optional::<T::Source>(delivery)? else { return Ok(None) };
        let name = self.shared.plan.factories[self.node].deliveries[delivery].name;
        let loaded = T::auto_load(&source, condition);
        loaded.map(Some).map_err(|error| error.context(format!("cannot load delivery `{name}`")))
    }

    fn source(&self, delivery: usize) -> Source {
        self.shared.plan.factories[self.node].sources[delivery]
    }

    fn context(&self) -> Context {
        Context::new(Arc::clone(self.shared), self.node)
    }

    /// A payload of the planned type is there before a factory starts: anything else is a mistake of this crate.
    fn absent(&self, at: usize) -> Error {
        let delivery = &self.shared.plan.factories[self.node].deliveries[at];
        anyhow::anyhow!(
            "delivery `{}` of type `{}` did not arrive from `{}`; this is a mistake in setl, please report it",
            delivery.name,
            delivery.type_name,
            self.shared.plan.source_name(self.source(at)),
        )
    }
}
