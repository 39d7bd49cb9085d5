//! What a factory can know of the run it is in.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::run::current::{Current, Scoped};
use crate::run::resume::record_read;
use crate::run::{Event, Shared};
use setl_commit::{Owner, StagedWrite};

/// The run that a factory is part of. Every pipeline supplies it: take it as a delivery.
///
/// ```
/// use setl::prelude::*;
///
/// #[factory]
/// async fn watched(context: Context) -> Result<String> {
///     for page in 1..=3u64 {
///         if context.is_cancelled() {
///             break;
///         }
///         context.progress(page, Some(3));
///     }
///     Ok(format!("{}/{}", context.pipeline(), context.factory()))
/// }
///
/// #[pipeline(only(watched))]
/// struct Nightly;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// assert_eq!(Nightly.run().await?.get::<watched>(), "Nightly/watched");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    owner: Owner,
    /// Of the attempt, where it can end before the run does.
    cancel: Option<CancellationToken>,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, owner: Owner, cancel: Option<CancellationToken>) -> Self {
        Self { shared, owner, cancel }
    }

    /// Of no run: see [`testing::context`](crate::testing::context).
    pub(crate) fn alone() -> Self {
        let shared =
            Shared::new(crate::testing::no_launch(), crate::run::Conduct::default(), &mut Default::default());
        Self::new(Arc::new(shared), Owner { node: 0, attempt: 1 }, None)
    }

    /// Identifies this run. Ids of later runs sort after those of earlier ones.
    ///
    /// A factory that asks for it may deliver something else in every run, so that what it delivers is never taken from a
    /// [checkpoint](crate::Runner::resume) or from the [cache](crate::cache), nor what is made of that.
    pub fn run_id(&self) -> Uuid {
        self.record_unknown("the id of its run");
        self.shared.run_id
    }

    /// The name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.shared.plan.pipeline
    }

    /// The name of the factory that was given this context.
    pub fn factory(&self) -> &str {
        &self.shared.plan.factories[self.owner.node].name
    }

    /// The attempt, counted from 1. What a factory delivers that asks for it in a later attempt than the first is not taken
    /// by other runs, as with [`Context::run_id`].
    pub fn attempt(&self) -> u32 {
        // The first attempt of the next run is told the same.
        if self.owner.attempt > 1 {
            self.record_unknown("the number of its attempt");
        }
        self.owner.attempt
    }

    /// Whether the run or this attempt is to end: blocking work should look now and then, and return early.
    ///
    /// What a factory delivers after it was told so is not taken, since it may not be all: it counts as cancelled, as does
    /// one that was given the [token](Context::cancellation) which is cancelled by then.
    pub fn is_cancelled(&self) -> bool {
        let is_cancelled = self.token().is_cancelled();
        if is_cancelled {
            self.shared.tell(self.owner);
        }
        is_cancelled
    }

    /// Cancelled when the run or this attempt is to end: for work that takes a token of its own.
    pub fn cancellation(&self) -> CancellationToken {
        self.shared.tell(self.owner);
        self.token().clone()
    }

    fn token(&self) -> &CancellationToken {
        self.cancel.as_ref().unwrap_or(&self.shared.cancel)
    }

    /// Gives the run something that is written and not visible yet: it is committed with all other writes of the run, or
    /// rolled back. What goes through a repository is given to the run by itself.
    ///
    /// # Errors
    /// When the run already writes to the same target, and the two cannot be put together; or when all its factories have
    /// ended.
    pub fn enlist(&self, write: Box<dyn StagedWrite>) -> crate::Result<()> {
        let current = self.current();
        current.recover();
        current.enlist(write)
    }

    /// Says that what this factory delivers depends on a file, or on all files in a directory, that it reads by itself. Call
    /// it before reading.
    ///
    /// A [checkpoint](crate::Runner::resume) or a [cached](crate::cache) output is valid only as long as the content is the same. What goes through a repository
    /// is known without. It blocks, since it reads the content, and does nothing where the run keeps no outputs.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn depends_on(&self, path: impl AsRef<Path>) -> crate::Result<()> {
        self.current().scope(|| record_read(Some(path.as_ref()), String::new))
    }

    /// Records that the factory reads something that is another in the next run.
    fn record_unknown(&self, place: &str) {
        self.current().record(|reads| reads.record_unknown(place));
    }

    fn current(&self) -> Current {
        Current { shared: Arc::clone(&self.shared), owner: self.owner }
    }

    /// Lets a future work for this factory wherever it is polled.
    ///
    /// Work that blocks finds the run that it belongs to by itself, but not in a task that the factory has spawned. There it needs
    /// this. A repository needs it only within another value that was delivered, of which it was not cloned in the factory.
    ///
    /// ```
    /// # use setl::prelude::*;
    /// #[factory]
    /// async fn import(context: Context) -> Result<u32> {
    ///     let part = tokio::spawn(context.scope(async { setl::blocking(|| 20).await }));
    ///     Ok(part.await? + 1)
    /// }
    /// # #[pipeline(only(import))]
    /// # struct P;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # assert_eq!(*P.run().await?.get::<import>(), 21);
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Scoped { current: self.current(), future: Box::pin(future) }
    }

    /// Tells who observes the run that `done` of `total` units of work are done.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        let factory = self.factory();
        self.shared.emit(|| Event::Progress { factory, done, total });
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("pipeline", &self.pipeline())
            .field("factory", &self.factory())
            .finish()
    }
}
