//! Sets the options of a run.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::Event;
use super::observer::{Closure, Observer};
use super::request::Request;
use super::select::Selection;
use super::shared::{Launch, Steps};
use crate::base::names::same;
use crate::cache::CachePolicy;
use crate::factory::Produces;
use crate::pipeline::{Lists, OutputOf, PipelineItem, position};
use crate::plan::PlanRef;
use crate::plan::dynamic::Pipeline;
use crate::policy::{Classifier, CodeScope, Resources};

/// A builder of a run: set its options, then `.await` it.
///
/// The future of a run drives some of its factories itself, and others as tasks. Work that occupies a thread belongs in
/// synchronous or `blocking` factories, or goes through [`setl::blocking`](crate::blocking()).
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
pub struct RunBuilder<P> {
    pub(crate) launch: Launch,
    /// In a box, because a runner is moved from one call to the next, and into the future of the run.
    pub(crate) request: Box<Request>,
    pipeline: PhantomData<fn() -> P>,
}

/// A run of some factories of `P`: see [`RunBuilder::only`](super::RunBuilder::only).
pub struct PartialRun<P>(PhantomData<fn() -> P>);

impl<P> RunBuilder<P> {
    /// Sets the maximum number of factories that run at the same time. It is at least one. Default: no limit, so that each
    /// factory starts as soon as it is ready.
    pub fn concurrency(mut self, factories: usize) -> Self {
        self.request.concurrency = Some(factories);
        self
    }

    /// Sets the maximum number of blocking tasks that run at the same time: synchronous factories, and work that goes through
    /// [`setl::blocking`]. Default: the number of cores, but at least 8.
    ///
    /// [`setl::blocking`]: crate::blocking()
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.request.blocking_threads = Some(threads);
        self
    }

    /// Sets the time after which a factory that waits for a thread is reported. Factories that wait for each other, and need more
    /// [threads](RunBuilder::blocking_threads) than there are, wait forever. Default: 30 seconds.
    ///
    /// The warning goes to observers as [`Event::Starving`], and to the report as a note. Without observers, it is also written
    /// to standard error.
    pub fn warn_after(mut self, patience: Duration) -> Self {
        self.request.patience = Some(patience);
        self
    }

    /// Makes a dry run: leaves out [`write`](crate::Factory::write) of every factory, and does not commit writes of factories to
    /// repositories.
    pub fn no_write(mut self) -> Self {
        self.request.no_write = true;
        self
    }

    /// Leaves out the write of the factory with this name, as [`no_write_of`](RunBuilder::no_write_of) does.
    pub fn no_write_of_named(mut self, factory: &str) -> Self {
        match self.named(factory) {
            Some(node) => self.request.no_write_of.factories.push(node),
            None => self.request.no_write_of.unknown.push(factory.to_owned()),
        }
        self
    }

    /// Continues after a failure with all factories that do not depend on the failed one.
    ///
    /// The run still fails, and nothing is written, unless [`commit_partial`](RunBuilder::commit_partial) is set. [`RunBuilder::outcome`]
    /// returns the outputs that succeeded.
    pub fn keep_going(mut self) -> Self {
        self.request.keep_going = true;
        self
    }

    /// Continues after a failure, as [`keep_going`](RunBuilder::keep_going) does, and commits the writes of the factories that
    /// succeeded.
    ///
    /// Default: all writes of a run are committed together or not at all. Several targets are switched one after the other: see
    /// [`commit`](crate::commit).
    pub fn commit_partial(mut self) -> Self {
        self.request.keep_going = true;
        self.request.commit_partial = true;
        self
    }

    /// Ends the run when the token is cancelled, with [`RunError::Cancelled`](crate::RunError::Cancelled). No further factory starts, factories that wait at
    /// an `.await` are dropped, and blocking work is cancelled through its [`Context`](crate::Context) and awaited. Nothing is
    /// written.
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.request.cancel = Some(token);
        self
    }

    /// Ends the run at Ctrl-C (SIGINT) or when a supervisor requests it (SIGTERM), as [`RunBuilder::cancel_on`] does. A second signal
    /// ends the program with exit code 130.
    pub fn cancel_on_ctrl_c(mut self) -> Self {
        self.request.cancel_on_ctrl_c = true;
        self
    }

    /// Ends the run after this time, as [`RunBuilder::cancel_on`] does, with [`RunError::DeadlineExceeded`](crate::RunError::DeadlineExceeded).
    ///
    /// The runtime must have its timer enabled, as `#[tokio::main]` does.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.request.deadline = Some(deadline);
        self
    }

    /// Limits the memory of the process while the run is in progress to `bytes` bytes. This counts resident memory that is not
    /// part of a file, because the system reclaims the pages of files when it needs them.
    ///
    /// To stay below the limit, [materialized](crate::dataset::Dataset::materialize) data goes to temporary files of the state
    /// directory, queries run one by one with the streaming engine, and factories that declare their memory (`#[factory(memory =
    /// "500 MiB")]`) wait until it is free. A run cannot start if one of its factories needs more memory than there is. If the
    /// process exceeds the limit nevertheless, the run ends as by [`RunBuilder::deadline`], with [`RunError::MemoryExceeded`](crate::RunError::MemoryExceeded):
    /// nothing is written. The run waits for the end of a query that Polars is executing.
    ///
    /// The memory of a process is only known on Linux. Other systems do everything except ending the run.
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

    /// Sets the classifier that decides whether an error unknown to this crate is transient.
    pub fn classify(mut self, rules: Classifier) -> Self {
        self.request.classifier = Some(rules);
        self
    }

    /// Shares the state of resources with other runs: the number of their users, and their circuit breakers.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.request.resources = Some(resources);
        self
    }

    /// Resumes a run of this pipeline that failed or was killed: its outputs that were kept and are still valid are taken, and
    /// only the rest runs.
    ///
    /// The outputs of factories under `#[factory(checkpoint)]` are kept, or of [all](RunBuilder::checkpoint_all) factories if the run
    /// sets this. An output is valid as long as its [code](RunBuilder::code), its inputs and the data that it has read are the same,
    /// and all its upstream outputs are valid. The outputs of a successful run are not kept: the next run with `resume` starts
    /// from the beginning.
    pub fn resume(mut self) -> Self {
        self.request.resume = true;
        self
    }

    /// Keeps the outputs of all factories whose type allows it, for [`RunBuilder::resume`].
    pub fn checkpoint_all(mut self) -> Self {
        self.request.checkpoint_all = true;
        self
    }

    /// Sets the factories whose outputs are taken from the [cache](crate::cache) and added to it, and its maximum size. Default:
    /// factories under `#[factory(cache)]`.
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

    /// Sets the scope of the code fingerprint of all factories whose outputs are kept. It overrides the scopes of the factories.
    /// Default: the [program](CodeScope::Program).
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
    /// Default: `$SETL_STATE_DIR`, or else `.setl` in the working directory. The directory is created when it is first needed.
    pub fn state_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.request.state_dir = Some(directory.into());
        self
    }

    /// Calls `observer` with every event of the run, on the thread on which it happens: it must return quickly.
    ///
    /// An [observer](RunBuilder::observer) also receives the identity of the run.
    pub fn observe(self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer(Closure(observer))
    }

    /// Adds an observer, which receives every event of the run.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.request.observers.push(Box::new(observer));
        self
    }
}

impl<P: PipelineItem> RunBuilder<P> {
    /// Creates a run of this pipeline with its inputs.
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

    /// Runs this factory and other selected ones, and nothing else.
    ///
    /// An input from a factory that does not run is missing, and the run cannot start, unless the output is
    /// [provided](RunBuilder::provide).
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
    pub fn only<F>(self) -> RunBuilder<PartialRun<P>>
    where
        P: Lists<F>,
    {
        self.partial().only::<F>()
    }

    /// Runs this factory and all its upstream factories.
    pub fn up_to<F>(self) -> RunBuilder<PartialRun<P>>
    where
        P: Lists<F>,
    {
        self.partial().up_to::<F>()
    }

    /// Runs this factory and all its downstream factories. Together with [`up_to`](RunBuilder::up_to), it runs the factories between
    /// the two. If there are none, the run cannot start.
    pub fn from_factory<F>(self) -> RunBuilder<PartialRun<P>>
    where
        P: Lists<F>,
    {
        self.partial().from_factory::<F>()
    }

    /// Leaves out [`write`](crate::Factory::write) of this factory, and does not commit its writes to repositories. All others
    /// write.
    ///
    /// ```
    /// use setl::prelude::*;
    ///
    /// #[factory(output = u32)]
    /// struct Publish;
    ///
    /// impl Factory for Publish {
    ///     async fn process(&mut self) -> Result<u32> {
    ///         Ok(3)
    ///     }
    ///
    ///     async fn write(&mut self, _: &u32) -> Result<()> {
    ///         Err(setl::Error::msg("this must not happen in a trial"))
    ///     }
    /// }
    ///
    /// #[pipeline(load(Publish))]
    /// struct Daily;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let run = Daily.run().no_write_of::<Publish>().await?;
    /// assert_eq!(*run.get::<Publish>(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn no_write_of<F>(mut self) -> Self
    where
        P: Lists<F>,
    {
        self.request.no_write_of.factories.push(position::<P, F>());
        self
    }

    /// Converts to a run of the factories that are selected from now on.
    pub fn partial(mut self) -> RunBuilder<PartialRun<P>> {
        self.request.selection.get_or_insert_default();
        RunBuilder { launch: self.launch, request: self.request, pipeline: PhantomData }
    }
}

impl<P: PipelineItem> RunBuilder<PartialRun<P>> {
    /// Leaves out the write of this factory: see [`no_write_of`](RunBuilder::no_write_of) of a whole run.
    pub fn no_write_of<F>(mut self) -> Self
    where
        P: Lists<F>,
    {
        self.request.no_write_of.factories.push(position::<P, F>());
        self
    }

    /// Runs this factory, too.
    pub fn only<F>(self) -> Self
    where
        P: Lists<F>,
    {
        self.select(|selection| selection.only.push(position::<P, F>()))
    }

    /// Runs this factory and all its upstream factories, too.
    pub fn up_to<F>(self) -> Self
    where
        P: Lists<F>,
    {
        self.select(|selection| selection.up_to.push(position::<P, F>()))
    }

    /// Runs this factory and all its downstream factories, too. Together with [`up_to`](RunBuilder::up_to), it runs the factories
    /// between the two.
    pub fn from_factory<F>(self) -> Self
    where
        P: Lists<F>,
    {
        self.select(|selection| selection.from.push(position::<P, F>()))
    }

    /// Sets the output of a factory, which then does not run. A factory that runs must take this output, or the run cannot start.
    pub fn provide<F: Produces<P>>(mut self, output: OutputOf<F, P>) -> Self
    where
        P: Lists<F::ThisFactory>,
    {
        self.request.provided.push((position::<P, F::ThisFactory>(), Arc::new(output)));
        self
    }
}

/// A run of some factories, which are selected by name: for command lines.
macro_rules! by_name {
    () => {
        /// Runs the factory with this name and other selected ones, and nothing else.
        pub fn only_named(self, factory: &str) -> Self {
            self.select_named(factory, |selection, node| selection.only.push(node))
        }

        /// Runs the factory with this name and all its upstream factories.
        pub fn up_to_named(self, factory: &str) -> Self {
            self.select_named(factory, |selection, node| selection.up_to.push(node))
        }

        /// Runs the factory with this name and all its downstream factories.
        pub fn from_named(self, factory: &str) -> Self {
            self.select_named(factory, |selection, node| selection.from.push(node))
        }
    };
}

impl<P: PipelineItem> RunBuilder<PartialRun<P>> {
    by_name!();
}

impl RunBuilder<Pipeline> {
    by_name!();
}

impl<P> RunBuilder<P> {
    pub(crate) fn of(launch: Launch) -> Self {
        Self { launch, request: Box::default(), pipeline: PhantomData }
    }

    fn select(mut self, select: impl FnOnce(&mut Selection)) -> Self {
        select(self.request.selection.get_or_insert_default());
        self
    }

    fn named(&self, factory: &str) -> Option<usize> {
        self.launch.plan.factories.iter().position(|node| same(&node.name, factory))
    }

    fn select_named(self, factory: &str, select: impl FnOnce(&mut Selection, usize)) -> Self {
        let node = self.named(factory);
        let unknown = factory.to_owned();
        self.select(|selection| match node {
            Some(node) => select(selection, node),
            None => selection.unknown.push(unknown),
        })
    }
}
