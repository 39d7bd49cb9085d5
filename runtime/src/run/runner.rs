//! How a run is asked for.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::course;
use super::error::RunError;
use super::event::Event;
use super::outcome::{Outcome, Partial, Run};
use super::request::Request;
use super::select::Selection;
use super::shared::{Launch, Steps};
use crate::base::names::same;
use crate::cache::CachePolicy;
use crate::factory::Factory;
#[cfg(feature = "optimize")]
use crate::optimize::{Learning, Optimizer};
use crate::pipeline::{Lists, PipelineItem, position};
use crate::plan::PlanRef;
use crate::plan::dynamic::Pipeline;
#[cfg(feature = "config")]
use crate::policy::Settings;
use crate::policy::{Classifier, CodeScope, Resources};

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
    pub(super) launch: Launch,
    /// In a box, since a runner is moved from one call to the next, and into the future of the run.
    pub(crate) request: Box<Request>,
    pipeline: PhantomData<fn() -> P>,
}

impl<P> Runner<P> {
    /// Runs at most so many factories at once; at least one. Without it, each starts as soon as its deliveries are there.
    pub fn concurrency(mut self, factories: usize) -> Self {
        self.request.concurrency = Some(factories);
        self
    }

    /// Does at most so much blocking work at once: synchronous factories, and what goes through [`setl::blocking`].
    /// Without it, as much as there are cores, and at least 8.
    ///
    /// [`setl::blocking`]: crate::blocking()
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.request.blocking_threads = Some(threads);
        self
    }

    /// Tells of a factory that has waited for a thread for so long, since factories that wait for each other beyond the
    /// [threads](Runner::blocking_threads) that there are wait forever. Default: 30 seconds.
    ///
    /// Observers are told with [`Event::Starving`], the report by a note; without observers, a line is written to standard
    /// error.
    pub fn warn_after(mut self, patience: Duration) -> Self {
        self.request.patience = Some(patience);
        self
    }

    /// Leaves out [`write`](crate::Factory::write) of every factory, and commits nothing that one has saved elsewhere: a dry
    /// run.
    pub fn no_write(mut self) -> Self {
        self.request.no_write = true;
        self
    }

    /// Goes on after a failure with all that does not need what failed.
    ///
    /// The run fails nevertheless, and nothing is written, unless [`commit_partial`](Runner::commit_partial) says so.
    /// [`Runner::outcome`] has what succeeded.
    pub fn keep_going(mut self) -> Self {
        self.request.keep_going = true;
        self
    }

    /// Goes on after a failure, as [`keep_going`](Runner::keep_going), and writes what the factories have written that
    /// succeeded.
    ///
    /// Without it, the writes of a run are committed together or not at all. Several targets are switched one after the other: see
    /// [`commit`](crate::commit).
    pub fn commit_partial(mut self) -> Self {
        self.request.keep_going = true;
        self.request.commit_partial = true;
        self
    }

    /// Ends the run when the token is cancelled: no factory starts any more, those that wait at an `.await` are dropped,
    /// blocking work is told through its [`Context`](crate::Context) and waited for, nothing is written, and the run gives
    /// [`RunError::Cancelled`].
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.request.cancel = Some(token);
        self
    }

    /// Ends the run at Ctrl-C (SIGINT), or when a supervisor asks for it (SIGTERM), as [`Runner::cancel_on`] does; at the
    /// second, ends the program with exit code 130.
    pub fn cancel_on_ctrl_c(mut self) -> Self {
        self.request.cancel_on_ctrl_c = true;
        self
    }

    /// Ends the run when it has taken so long, as [`Runner::cancel_on`] does, with [`RunError::DeadlineExceeded`].
    ///
    /// The runtime must have its timer, as that of `#[tokio::main]` has.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.request.deadline = Some(deadline);
        self
    }

    /// Lets the process hold at most so many bytes of memory while the run is in progress: what is resident and not part of a
    /// file, whose pages the system takes back when it needs them.
    ///
    /// To stay below it, what is [materialised](crate::dataset::Dataset::materialize) lies in temporary files of the state
    /// directory, queries are run one by one by the engine that streams, and factories that say how much they need
    /// (`#[factory(memory = "500 MiB")]`) wait until that is free. A run in which one of them needs more than there is cannot
    /// start. One that comes to hold more nevertheless is ended, as by [`Runner::deadline`], with
    /// [`RunError::MemoryExceeded`]: nothing is written. A query that Polars is running then is waited for.
    ///
    /// Linux tells what a process holds. Elsewhere all but the last is done.
    ///
    /// ```
    /// use setl::prelude::*;
    ///
    /// #[factory(memory = "4 GiB")]
    /// fn matrix() -> Vec<f64> {
    ///     vec![0.0; 1 << 29]
    /// }
    ///
    /// #[pipeline(only(matrix))]
    /// struct Nightly;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = Nightly.run().memory_limit(2 << 30).await.unwrap_err();
    /// assert!(error.to_string().contains("factory `matrix` needs 4 GiB (its `memory`), and the memory limit of 2 GiB leaves"));
    /// # }
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.request.memory_limit = Some(bytes);
        self
    }

    /// Says of errors that this crate does not know whether another attempt may succeed.
    pub fn classify(mut self, rules: Classifier) -> Self {
        self.request.classifier = Some(rules);
        self
    }

    /// Shares the state of resources with other runs: how many use them, and whether their breakers are open.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.request.resources = Some(resources);
        self
    }

    /// Lets settings say otherwise: of policies, of bounds, of what goes on after a failure. They go before what the
    /// program says.
    ///
    /// ```
    /// use setl::policy::Settings;
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// async fn fetch() -> Result<u32> {
    ///     Ok(42)
    /// }
    ///
    /// #[pipeline(extract(fetch))]
    /// struct Daily;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let settings: Settings = "factory.fetch.timeout = '10s'".parse()?;
    /// let run = Daily.run().settings(settings.with_env()).await?;
    /// # assert_eq!(*run.get::<fetch>(), 42);
    ///
    /// let settings: Settings = "factory.fetsh.timeout = '10s'".parse()?;
    /// let error = Daily.run().settings(settings).await.unwrap_err();
    /// assert!(error.to_string().contains("no factory `fetsh`, did you mean `fetch`?"));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "config")]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.request.settings = Some(Box::new(settings));
        self
    }

    /// Goes on with a run of this pipeline that failed, or was killed: what is kept of it and still valid is taken, and
    /// only the rest runs.
    ///
    /// Outputs are kept of factories under `#[factory(checkpoint)]`, and of [all](Runner::checkpoint_all) where the run says
    /// so. One is valid as long as the [code](Runner::code), what it takes and what it has read are the same, and the same
    /// holds for those above it. When a run has succeeded, nothing is kept of it, so that a run which resumes starts afresh
    /// then.
    pub fn resume(mut self) -> Self {
        self.request.resume = true;
        self
    }

    /// Keeps the outputs of all factories whose type allows for it, for [`Runner::resume`].
    pub fn checkpoint_all(mut self) -> Self {
        self.request.checkpoint_all = true;
        self
    }

    /// Says whose outputs are taken from the [cache](crate::cache) and added to it, and how much it may hold. Without it, those
    /// of factories under `#[factory(cache)]`.
    ///
    /// ```
    /// use setl::cache::CachePolicy;
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
    /// # let state = std::env::temp_dir().join(format!("setl-docs-runner-cache-{}", std::process::id()));
    /// for (hits, misses) in [(0, 1), (1, 0)] {
    ///     let run = Deep.run().cache(CachePolicy::all().max_bytes(10 << 30)).state_dir(&state).await?;
    ///     let cache = &run.report().cache()[0];
    ///     assert_eq!((cache.hits, cache.misses), (hits, misses));
    /// }
    /// # std::fs::remove_dir_all(state)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache(mut self, policy: CachePolicy) -> Self {
        self.request.cache = Some(Box::new(policy));
        self
    }

    /// Says what counts as the code of factories whose outputs are kept: of all of them, whatever they say. Default: the
    /// [program](CodeScope::Program).
    ///
    /// ```
    /// use setl::policy::CodeScope;
    /// use setl::prelude::*;
    ///
    /// #[factory(cache)]
    /// fn answer() -> u32 {
    ///     42
    /// }
    ///
    /// #[pipeline(only(answer))]
    /// struct Deep;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let state = std::env::temp_dir().join(format!("setl-docs-runner-code-{}", std::process::id()));
    /// // What one of them has made is not taken under the other.
    /// for (scope, hits) in [(CodeScope::Program, 0), (CodeScope::Package, 0), (CodeScope::Package, 1)] {
    ///     let run = Deep.run().code(scope).state_dir(&state).await?;
    ///     assert_eq!(run.report().cache()[0].hits, hits);
    /// }
    /// # std::fs::remove_dir_all(state)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn code(mut self, scope: CodeScope) -> Self {
        self.request.code = Some(scope);
        self
    }

    /// Keeps the state of runs (journals of commits, checkpoints, the cache) in this directory.
    ///
    /// Without it, in `$SETL_STATE_DIR`, or else in `.setl` in the working directory. It is made when there is something to
    /// keep.
    pub fn state_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.request.state_dir = Some(directory.into());
        self
    }

    /// What the optimiser may do in this run: all of it, unless something is switched off.
    ///
    /// ```
    /// use setl::optimize::{Optimizer, Pass};
    /// use setl::prelude::*;
    ///
    /// # #[factory]
    /// # fn answer() -> u32 { 42 }
    /// # #[pipeline(only(answer))]
    /// # struct Daily;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// Daily.run().optimizer(Optimizer::new().without(Pass::ShareScans)).await?;
    /// Daily.run().optimizer(Optimizer::off()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "optimize")]
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.request.optimizer = optimizer;
        self
    }

    /// Records what this run costs, and predicts it from earlier ones. Factories on which more depends are started first.
    #[cfg(feature = "optimize")]
    pub fn learn(mut self, learning: Learning) -> Self {
        self.request.learning = Some(Box::new(learning));
        self
    }

    /// Calls `observer` with every event of the run, on the thread where it happens: keep it short.
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.request.observers.push(Box::new(observer));
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
            fingerprints: P::fingerprints(),
            // Two factories of one type would be two producers of one output.
            has_twins: false,
        };
        Self::of(launch)
    }

    /// Runs this factory, and others that are asked for; nothing else.
    ///
    /// What it needs from factories that do not run is missing, and the run cannot start, unless it is
    /// [provided](Runner::provide).
    ///
    /// ```
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn orders() -> Vec<u32> {
    ///     unreachable!("takes an hour")
    /// }
    ///
    /// #[factory]
    /// fn total(orders: Vec<u32>) -> u32 {
    ///     orders.iter().sum()
    /// }
    ///
    /// #[pipeline(extract(orders), transform(total))]
    /// struct Daily;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let run = Daily.run().only::<total>().provide::<orders>(vec![1, 2]).await?;
    /// assert_eq!(run.find::<total>(), Some(&3));
    ///
    /// let error = Daily.run().only::<total>().await.unwrap_err();
    /// assert!(error.to_string().contains("factory `total` needs `orders` from `orders`, which is not part of this run"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn only<F>(self) -> Runner<Partial<P>>
    where
        P: Lists<F>,
    {
        self.partial().only::<F>()
    }

    /// Runs this factory and all that it needs.
    pub fn up_to<F>(self) -> Runner<Partial<P>>
    where
        P: Lists<F>,
    {
        self.partial().up_to::<F>()
    }

    /// Runs this factory and all that needs its output; together with [`up_to`](Runner::up_to), what lies
    /// between, without which the run cannot start.
    pub fn from<F>(self) -> Runner<Partial<P>>
    where
        P: Lists<F>,
    {
        self.partial().from::<F>()
    }

    /// Runs what is selected from now on.
    pub fn partial(mut self) -> Runner<Partial<P>> {
        self.request.selection.get_or_insert_default();
        Runner { launch: self.launch, request: self.request, pipeline: PhantomData }
    }
}

impl<P: PipelineItem> Runner<Partial<P>> {
    /// Runs this factory, too.
    pub fn only<F>(self) -> Self
    where
        P: Lists<F>,
    {
        self.select(|selection| selection.only.push(position::<P, F>()))
    }

    /// Runs this factory and all that it needs, too.
    pub fn up_to<F>(self) -> Self
    where
        P: Lists<F>,
    {
        self.select(|selection| selection.up_to.push(position::<P, F>()))
    }

    /// Runs this factory and all that needs its output, too; together with [`up_to`](Runner::up_to), what lies between.
    pub fn from<F>(self) -> Self
    where
        P: Lists<F>,
    {
        self.select(|selection| selection.from.push(position::<P, F>()))
    }

    /// Gives the output of a factory, which does not run then. Somebody who runs has to take it, or the run cannot start.
    pub fn provide<F: Factory>(mut self, output: F::Output) -> Self
    where
        P: Lists<F>,
    {
        self.request.provided.push((position::<P, F>(), Arc::new(output)));
        self
    }
}

/// A run of some factories, which are asked for by name: for command lines.
macro_rules! by_name {
    () => {
        /// Runs the factory of this name, and others that are asked for; nothing else.
        pub fn only_named(self, factory: &str) -> Self {
            self.select_named(factory, |selection, node| selection.only.push(node))
        }

        /// Runs the factory of this name and all that it needs.
        pub fn up_to_named(self, factory: &str) -> Self {
            self.select_named(factory, |selection, node| selection.up_to.push(node))
        }

        /// Runs the factory of this name and all that needs its output.
        pub fn from_named(self, factory: &str) -> Self {
            self.select_named(factory, |selection, node| selection.from.push(node))
        }
    };
}

impl<P: PipelineItem> Runner<Partial<P>> {
    by_name!();
}

impl Runner<Pipeline> {
    by_name!();
}

impl<P> Runner<P> {
    pub(crate) fn of(launch: Launch) -> Self {
        Self { launch, request: Box::default(), pipeline: PhantomData }
    }

    fn select(mut self, select: impl FnOnce(&mut Selection)) -> Self {
        select(self.request.selection.get_or_insert_default());
        self
    }

    fn select_named(self, factory: &str, select: impl FnOnce(&mut Selection, usize)) -> Self {
        let node = self.launch.plan.factories.iter().position(|node| same(&node.name, factory));
        let unknown = factory.to_owned();
        self.select(|selection| match node {
            Some(node) => select(selection, node),
            None => selection.unknown.push(unknown),
        })
    }

    /// Runs the pipeline, and says how that went: also what succeeded when something failed.
    pub async fn outcome(self) -> Outcome<P> {
        course::run(self.launch, self.request).await
    }
}

impl<P: 'static> IntoFuture for Runner<P> {
    type Output = Result<Run<P>, RunError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.outcome().await.into_result() })
    }
}
