//! What is said of learning from runs.

use std::path::{Path, PathBuf};

use super::Sizes;

/// Learns from runs: what they cost is recorded, and predicted before the next.
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
    /// In `history.sqlite` in the run's directory for state.
    pub fn new() -> Self {
        Self::default()
    }

    /// In this file.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// What is known of the sizes of what factories take, before the run: the better the prediction.
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
