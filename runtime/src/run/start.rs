//! Starts runs, with all capabilities of the crate.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::error::RunError;
use super::lifecycle;
use super::outcome::{Outcome, Run};
use super::run_builder::RunBuilder;

impl<P> RunBuilder<P> {
    /// Runs the pipeline, and returns its outcome, including the outputs that succeeded before a failure.
    pub async fn outcome(self) -> Outcome<P> {
        lifecycle::run(self.launch, self.request, crate::EXTENSIONS).await
    }
}

impl<P: 'static> IntoFuture for RunBuilder<P> {
    type Output = Result<Run<P>, RunError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.outcome().await.into_result() })
    }
}
