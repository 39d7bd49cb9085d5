//! What a factory can know of the run it is in.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::run::{Event, Shared};

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
    node: usize,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, node: usize) -> Self {
        Self { shared, node }
    }

    /// Of no run: see [`testing::context`](crate::testing::context).
    pub(crate) fn alone() -> Self {
        Self::new(Arc::new(Shared::new(crate::testing::no_launch(), &mut Default::default())), 0)
    }

    /// Identifies this run. Ids of later runs sort after those of earlier ones.
    pub fn run_id(&self) -> Uuid {
        self.shared.run_id
    }

    /// The name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.shared.plan.pipeline
    }

    /// The name of the factory that was given this context.
    pub fn factory(&self) -> &str {
        &self.shared.plan.factories[self.node].name
    }

    /// Whether the run is to end: blocking work should look now and then, and return early.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancel.is_cancelled()
    }

    /// Cancelled when the run is: for work that takes a token of its own.
    pub fn cancellation(&self) -> CancellationToken {
        self.shared.cancel.clone()
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
            .field("run_id", &self.run_id())
            .field("pipeline", &self.pipeline())
            .field("factory", &self.factory())
            .finish()
    }
}
