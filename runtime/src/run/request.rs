//! The request of a run: all that its caller has set.

use std::any::Any;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::observer::Observer;
use super::select::Selection;
use super::shared::Replacement;
use crate::base::AnyPayload;
use crate::cache::CachePolicy;
use crate::policy::{Classifier, CodeScope, Resources, SettingsSource};

/// The settings of a run by its caller. The decisions of the crate are not here, but in the [plan](super::run_plan::RunPlan) of
/// the run.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) concurrency: Option<usize>,
    pub(crate) blocking_threads: Option<usize>,
    /// The time after which a wait for a thread is reported. Default: 30 seconds.
    pub(crate) patience: Option<Duration>,
    pub(crate) no_write: bool,
    pub(crate) no_write_of: NoWriteOf,
    pub(crate) cancel: Option<CancellationToken>,
    pub(crate) cancel_on_ctrl_c: bool,
    pub(crate) deadline: Option<Duration>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) keep_going: bool,
    pub(crate) commit_partial: bool,
    pub(crate) classifier: Option<Classifier>,
    pub(crate) resources: Option<Resources>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) settings: Option<Box<dyn SettingsSource>>,
    /// The selected factories. Default: all.
    pub(crate) selection: Option<Box<Selection>>,
    pub(crate) resume: bool,
    pub(crate) checkpoint_all: bool,
    pub(crate) cache: Option<Box<CachePolicy>>,
    /// The scope of the code fingerprint of kept outputs, for all factories.
    pub(crate) code: Option<CodeScope>,
    pub(crate) observers: Vec<Box<dyn Observer>>,
    /// Replacements for factories, by index. Each is used once.
    pub(crate) replacements: Vec<(usize, Replacement)>,
    /// The outputs of factories that do not run, by index.
    pub(crate) provided: Vec<(usize, AnyPayload)>,
    /// The settings of extensions.
    pub(crate) options: Options,
}

/// Values of different types, at most one of each.
#[derive(Default)]
pub(crate) struct Options(Vec<Box<dyn Any + Send + Sync>>);

impl Options {
    /// The value of this type.
    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.iter().find_map(|option| option.downcast_ref())
    }

    /// Sets the value of this type.
    pub(crate) fn set<T: Any + Send + Sync>(&mut self, value: T) {
        match self.0.iter_mut().find_map(|option| option.downcast_mut::<T>()) {
            Some(option) => *option = value,
            None => self.0.push(Box::new(value)),
        }
    }

    /// Takes the value of this type out.
    pub(crate) fn take<T: Any>(&mut self) -> Option<T> {
        let at = self.0.iter().position(|option| option.is::<T>())?;
        self.0.swap_remove(at).downcast().ok().map(|option| *option)
    }
}

/// The factories that do not write in a run.
#[derive(Default)]
pub(crate) struct NoWriteOf {
    /// Their indices.
    pub(crate) factories: Vec<usize>,
    /// Names that belong to no factory.
    pub(crate) unknown: Vec<String>,
}

impl Request {
    /// `true` if the caller leaves out the writes of this factory.
    pub(crate) fn is_without_write(&self, factory: usize) -> bool {
        self.no_write || self.no_write_of.factories.contains(&factory)
    }

    /// `true` if a replacement or a provided output replaces that of this factory.
    pub(crate) fn replaces(&self, factory: usize) -> bool {
        self.replacements.iter().any(|(replaced, _)| *replaced == factory)
            || self.provided.iter().any(|(provided, _)| *provided == factory)
    }

    /// `true` if no setting concerns single factories.
    pub(crate) fn is_default_for_factories(&self) -> bool {
        self.settings.is_none()
            && self.selection.is_none()
            && self.no_write_of.unknown.is_empty()
            && !self.checkpoint_all
            && !self.resume
            && self.cache.is_none()
    }
}
