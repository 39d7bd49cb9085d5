//! The settings of learning from runs.

use std::path::{Path, PathBuf};

use super::Sizes;

/// Learns from runs: records their cost, and predicts the cost of the next run.
///
/// ```
/// use setl::optimize::Learning;
/// use setl::prelude::*;
///
/// #[factory]
/// fn answer() -> u32 {
///     42
/// }
///
/// #[pipeline(only(answer))]
/// struct Nightly;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let directory = std::env::temp_dir().join(format!("setl-learning-{}", std::process::id()));
/// for _ in 0..2 {
///     let run = Nightly.run().state_dir(&directory).learn(Learning::new()).await?;
///     println!("{run}"); // ends with what was predicted, and what happened
/// }
/// # std::fs::remove_dir_all(directory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Learning {
    path: Option<PathBuf>,
    sizes: Sizes,
}

impl Learning {
    /// Keeps the history in `history.sqlite` in the state directory of the run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the history in this file.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the input sizes of factories that are known before the run. They improve the prediction.
    #[must_use]
    pub fn with_sizes(mut self, sizes: Sizes) -> Self {
        self.sizes = sizes;
        self
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn sizes(&self) -> &Sizes {
        &self.sizes
    }
}
