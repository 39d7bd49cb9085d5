//! Settings of a run from files and environment variables.

use super::run_builder::RunBuilder;
use crate::policy::Settings;

impl<P> RunBuilder<P> {
    /// Overrides policies, limits and the behaviour after a failure by settings. Settings take precedence over the program.
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
    pub fn settings(mut self, settings: Settings) -> Self {
        self.request.settings = Some(Box::new(settings));
        self
    }
}
