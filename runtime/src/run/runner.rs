//! How a run is asked for, and what it gives back.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::{Failures, RunError};
use super::event::Event;
use super::executor::{Launch, Options, Shared, Steps};
use super::report::Report;
use crate::factory::{AlwaysRuns, Factory};
use crate::pipeline::{AnyPayload, Keeps, PipelineItem, position};
use crate::plan::PlanRef;
use crate::plan::dynamic::Pipeline;

/// A run that is about to start: set how it should go, then `.await` it.
///
/// The future of a run drives some of its factories itself, and others as tasks. Work that keeps a thread to itself belongs
/// into synchronous or `blocking` factories, or through [`setl::blocking`](crate::blocking()).
///
/// ```
/// use setl::prelude::*;
///
/// #[factory]
/// fn answer() -> u32 {
///     42
/// }
///
/// #[pipeline(only(answer))]
/// struct Deep;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let run = Deep.run().concurrency(4).observe(|event| println!("{event:?}")).await?;
/// assert_eq!(*run.get::<answer>(), 42);
/// # Ok(())
/// # }
/// ```
#[must_use = "a run starts when it is awaited: add `.await`"]
pub struct Runner<P> {
    launch: Launch,
    pub(crate) options: Options,
    pipeline: PhantomData<fn() -> P>,
}

impl<P> Runner<P> {
    /// Runs at most so many factories at once; at least one. Without it, each starts as soon as its deliveries are there.
    pub fn concurrency(mut self, factories: usize) -> Self {
        self.options.concurrency = Some(factories);
        self
    }

    /// Does at most so much blocking work at once: synchronous factories, and what goes through [`setl::blocking`].
    /// Without it, as much as there are cores, and at least 8.
    ///
    /// [`setl::blocking`]: crate::blocking()
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.options.blocking_threads = Some(threads);
        self
    }

    /// Leaves out [`write`](crate::Factory::write) of every factory.
    pub fn no_write(mut self) -> Self {
        self.options.no_write = true;
        self
    }

    /// Ends the run when the token is cancelled: no factory starts any more, those that wait at an `.await` are dropped,
    /// blocking work is waited for, and the run gives [`RunError::Cancelled`].
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.options.cancel = Some(token);
        self
    }

    /// Ends the run at Ctrl-C (SIGINT), as [`Runner::cancel_on`] does; at the second, ends the program with exit code 130.
    pub fn cancel_on_ctrl_c(mut self) -> Self {
        self.options.cancel_on_ctrl_c = true;
        self
    }

    /// Calls `observer` with every event of the run, on the thread where it happens: keep it short.
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.options.observers.push(Box::new(observer));
        self
    }
}

impl<P: PipelineItem> Runner<P> {
    /// A run of this pipeline with its inputs.
    pub fn new(pipeline: P) -> Self {
        let launch = Launch {
            plan: PlanRef::Static(P::PLAN),
            steps: Steps::Static(P::STEPS),
            inputs: pipeline.into_inputs(),
        };
        Self::of(launch)
    }
}

impl<P> Runner<P> {
    pub(crate) fn of(launch: Launch) -> Self {
        Self { launch, options: Options::default(), pipeline: PhantomData }
    }

    async fn go(self) -> Result<Run<P>, RunError> {
        let Self { launch, mut options, .. } = self;
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(RunError::NoRuntime { pipeline: launch.plan.pipeline.to_string() });
        }
        let ctrl_c = if options.cancel_on_ctrl_c {
            // The caller's own token stays as it is.
            let cancel = options.cancel.take().map(|asked| asked.child_token()).unwrap_or_default();
            options.cancel = Some(cancel.clone());
            Some(cancel_at_ctrl_c(cancel).await)
        } else {
            None
        };
        let shared = Arc::new(Shared::new(launch, &mut options));
        shared.run().await;
        drop(ctrl_c);
        let report = Report::of(&shared);
        let failures = shared.take_failures();
        let cancelled = shared.is_stopped() && report.succeeded() < report.factories();
        if cancelled || !failures.is_empty() {
            shared.drop_undelivered();
        }
        if !failures.is_empty() {
            return Err(RunError::Failed { failures: Failures(failures), report: Box::new(report) });
        }
        if cancelled {
            return Err(RunError::Cancelled { report: Box::new(report) });
        }
        let outputs = (0..shared.plan.factories.len()).map(|node| shared.kept_output(node)).collect();
        Ok(Run { plan: shared.plan.clone(), outputs, report, pipeline: PhantomData })
    }
}

/// What shells report of a program that SIGINT ended.
const EXIT_AT_SIGINT: i32 = 130;

/// Cancels the token at Ctrl-C, in a task of its own: the run may not get to it while a factory computes.
async fn cancel_at_ctrl_c(cancel: CancellationToken) -> AbortOnDrop {
    let mut ctrl_c = Box::pin(tokio::signal::ctrl_c());
    // The first poll registers the handler, before any factory starts.
    let first = std::future::poll_fn(|cx| Poll::Ready(ctrl_c.as_mut().poll(cx))).await;
    let task = tokio::spawn(async move {
        let signalled = match first {
            Poll::Ready(signalled) => signalled,
            Poll::Pending => ctrl_c.await,
        };
        if signalled.is_ok() {
            cancel.cancel();
            // Who asks again does not want to wait for blocking work. Staged writes are left unfinished, targets are whole.
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(EXIT_AT_SIGINT);
            }
        }
    });
    AbortOnDrop(task)
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<P: 'static> IntoFuture for Runner<P> {
    type Output = Result<Run<P>, RunError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.go())
    }
}

/// A run that succeeded: the outputs that were kept, and the [`Report`], which it prints.
pub struct Run<P> {
    plan: PlanRef,
    outputs: Vec<Option<AnyPayload>>,
    report: Report,
    pipeline: PhantomData<fn() -> P>,
}

impl<P> Run<P> {
    /// What ran and how long it took.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn output<T: 'static>(&self, node: usize) -> Option<&T> {
        self.outputs.get(node)?.as_ref()?.downcast_ref()
    }
}

impl<P: PipelineItem> Run<P> {
    /// The output of a factory: one that no other factory takes, or one under `keep(…)`. Any other does not compile.
    pub fn get<F: Factory + AlwaysRuns>(&self) -> &F::Output
    where
        P: Keeps<F, true>,
    {
        match self.output(position::<P, F>()) {
            Some(output) => output,
            // The run succeeded, so every factory has delivered, and `Keeps` says that this output stayed.
            None => unreachable!("a kept output is there after a successful run"),
        }
    }
}

impl Run<Pipeline> {
    /// The output of the factory of this type, if there is one and its output was kept.
    pub fn find<F: Factory>(&self) -> Option<&F::Output> {
        self.find_named(F::NAME)
    }

    /// The output of the factory with this name, if there is one, its output was kept and is a `T`.
    pub fn find_named<T: 'static>(&self, factory: &str) -> Option<&T> {
        self.output(self.plan.factories.iter().position(|node| node.name == factory)?)
    }
}

impl<P> Deref for Run<P> {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.report
    }
}

impl<P> fmt::Display for Run<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl<P> fmt::Debug for Run<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("report", &self.report).finish_non_exhaustive()
    }
}
