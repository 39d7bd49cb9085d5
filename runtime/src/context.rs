//! The context of a run, as seen by a factory.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::checkpoint::in_run::record_read;
use crate::run::current::{Current, Scoped};
use crate::run::{Event, Shared};
use setl_commit::{Owner, StagedWrite};

/// The run that a factory belongs to. Every pipeline supplies it: take it as a delivery.
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
    /// The token of the attempt, if the attempt can end before the run does.
    cancel: Option<CancellationToken>,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, owner: Owner, cancel: Option<CancellationToken>) -> Self {
        Self { shared, owner, cancel }
    }

    /// Returns the id of this run. Ids of later runs sort after those of earlier ones.
    ///
    /// A factory that calls this may have a different output in every run. So its output and everything computed from it are
    /// never taken from a [checkpoint](crate::RunBuilder::resume) or from the [cache](crate::cache).
    pub fn run_id(&self) -> Uuid {
        self.record_unknown("the id of its run");
        self.shared.run_id
    }

    /// Returns the name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.shared.plan.pipeline
    }

    /// Returns the name of the factory that was given this context.
    pub fn factory(&self) -> &str {
        &self.shared.plan.factories[self.owner.node].name
    }

    /// Returns the number of the attempt, counted from 1. If a factory calls this in a later attempt than the first, other runs
    /// do not take its output, as with [`Context::run_id`].
    pub fn attempt(&self) -> u32 {
        // The first attempt of the next run sees the same number.
        if self.owner.attempt > 1 {
            self.record_unknown("the number of its attempt");
        }
        self.owner.attempt
    }

    /// Returns `true` if the run or this attempt is cancelled. Blocking work should check this regularly, and return early.
    ///
    /// After this has returned `true`, the output of the factory is discarded, since it may be incomplete, and the factory counts
    /// as cancelled. The same applies to a factory that was given the [token](Context::cancellation), if the token is cancelled
    /// before the factory ends.
    pub fn is_cancelled(&self) -> bool {
        let is_cancelled = self.token().is_cancelled();
        if is_cancelled {
            self.shared.tell(self.owner);
        }
        is_cancelled
    }

    /// Returns a token that is cancelled when the run or this attempt is cancelled, for work that takes a token.
    pub fn cancellation(&self) -> CancellationToken {
        self.shared.tell(self.owner);
        self.token().clone()
    }

    fn token(&self) -> &CancellationToken {
        self.cancel.as_ref().unwrap_or(&self.shared.cancel)
    }

    /// Adds a staged write to the run. It is committed with all other writes of the run, or rolled back. Writes through a
    /// repository are added automatically.
    ///
    /// # Errors
    /// If the run already writes to the same target and the two writes cannot be combined, or if all its factories have ended.
    pub fn enlist(&self, write: Box<dyn StagedWrite>) -> crate::Result<()> {
        let current = self.current();
        current.recover();
        current.enlist(write)
    }

    /// Declares that the output of this factory depends on a file, or on all files in a directory, that it reads itself. Call
    /// this before reading.
    ///
    /// A [checkpoint](crate::RunBuilder::resume) or a [cached](crate::cache) output is valid only while the content stays the same.
    /// Reads through a repository are recorded automatically. This function blocks, since it reads the content. It does nothing
    /// if the run keeps no outputs.
    ///
    /// # Errors
    /// If the file or directory cannot be read.
    pub fn depends_on(&self, path: impl AsRef<Path>) -> crate::Result<()> {
        self.current().scope(|| record_read(Some(path.as_ref()), String::new))
    }

    /// Records that the factory reads a value that differs in the next run.
    fn record_unknown(&self, place: &str) {
        self.current().record(|reads| reads.record_unknown(place));
    }

    fn current(&self) -> Current {
        Current { shared: Arc::clone(&self.shared), owner: self.owner }
    }

    /// Binds a future to this factory, wherever it is polled.
    ///
    /// Blocking work finds its run automatically, but not in a task that the factory has spawned: such a task needs this. A
    /// repository needs this only if it is part of another delivered value and was not cloned in the factory.
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

    /// Reports to observers of the run that `done` of `total` units of work are done. Does nothing after the end of the factory.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        let factory = self.factory();
        if !self.shared.has_ended(self.owner.node) {
            self.shared.emit(|| Event::Progress { factory, done, total });
        }
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
