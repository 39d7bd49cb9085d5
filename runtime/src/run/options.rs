//! What is said of a run before it starts.

use std::path::PathBuf;
#[cfg(feature = "optimize")]
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::event::Observer;
#[cfg(feature = "optimize")]
use super::learn::Before;
use super::memory::Memory;
use super::select::Selection;
use super::shared::Replacement;
use crate::cache::CachePolicy;
use crate::checkpoint::Session;
#[cfg(feature = "optimize")]
use crate::optimize::{Learning, Optimizer, plan::Planned};
use crate::pipeline::AnyPayload;
#[cfg(feature = "config")]
use crate::policy::Settings;
use crate::policy::{Classifier, CodeScope, Resources};

/// How a run is to go.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) concurrency: Option<usize>,
    pub(crate) blocking_threads: Option<usize>,
    pub(crate) patience: Option<Duration>,
    pub(crate) no_write: bool,
    pub(crate) cancel: Option<CancellationToken>,
    pub(crate) cancel_on_ctrl_c: bool,
    pub(crate) deadline: Option<Duration>,
    pub(crate) memory_limit: Option<u64>,
    /// What is known of it when the run begins.
    pub(crate) memory: Option<Box<Memory>>,
    pub(crate) keep_going: bool,
    pub(crate) commit_partial: bool,
    pub(crate) classifier: Option<Classifier>,
    pub(crate) resources: Option<Resources>,
    pub(crate) state_dir: Option<PathBuf>,
    #[cfg(feature = "config")]
    pub(crate) settings: Option<Box<Settings>>,
    pub(crate) selection: Option<Box<Selection>>,
    /// Whether some factories were asked for only.
    pub(crate) is_partial: bool,
    pub(crate) resume: bool,
    pub(crate) checkpoint_all: bool,
    #[cfg(feature = "optimize")]
    pub(crate) optimizer: Optimizer,
    #[cfg(feature = "optimize")]
    pub(crate) learning: Option<Box<Learning>>,
    /// What is known before the run begins.
    #[cfg(feature = "optimize")]
    pub(crate) learned: Option<Box<Before>>,
    /// Of each factory; empty if it does not matter which starts first.
    #[cfg(feature = "optimize")]
    pub(crate) priorities: Vec<f64>,
    /// Of each factory, whether its output would be taken but for factories that were merged; empty if none was.
    #[cfg(feature = "optimize")]
    pub(crate) taken: Vec<bool>,
    /// What the passes of the optimiser have decided, where they had something to do.
    #[cfg(feature = "optimize")]
    pub(crate) planned: Option<Arc<Planned>>,
    pub(crate) cache: Option<Box<CachePolicy>>,
    /// What counts as the code of all factories that are kept.
    pub(crate) code: Option<CodeScope>,
    /// Known before the run begins, where checkpoints are made.
    pub(crate) run_id: Option<Uuid>,
    /// What was found before the run that its report is to say.
    pub(super) notes: Vec<String>,
    pub(crate) session: Option<Box<Session>>,
    pub(crate) observers: Vec<Observer>,
    /// By position, each used once.
    pub(crate) replacements: Vec<(usize, Replacement)>,
    /// Outputs of factories that do not run, by position.
    pub(crate) provided: Vec<(usize, AnyPayload)>,
}

impl Options {
    /// Whether the history of the pipeline is to be opened.
    pub(super) fn learns(&self) -> bool {
        #[cfg(feature = "optimize")]
        return self.learning.is_some();
        #[cfg(not(feature = "optimize"))]
        false
    }

    /// Whether the output of a factory is taken by one that has its own from another.
    pub(super) fn is_taken_by_merged(&self, _factory: usize) -> bool {
        #[cfg(feature = "optimize")]
        return self.taken.get(_factory).copied().unwrap_or_default();
        #[cfg(not(feature = "optimize"))]
        false
    }

    /// Which factories are to start first; empty if it does not matter.
    pub(super) fn take_priorities(&mut self) -> Vec<f64> {
        #[cfg(feature = "optimize")]
        return std::mem::take(&mut self.priorities);
        #[cfg(not(feature = "optimize"))]
        Vec::new()
    }

    /// Whether nothing is said that bears on single factories.
    pub(crate) fn says_nothing(&self) -> bool {
        #[cfg(feature = "config")]
        if self.settings.is_some() {
            return false;
        }
        self.selection.is_none() && !self.checkpoint_all && !self.resume && self.cache.is_none()
    }
}
