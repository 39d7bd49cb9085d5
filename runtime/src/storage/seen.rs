//! Detection of changes between the loading and the reading of a file in a run.
//!
//! A dataset reads its file when its query runs. By then, another factory of the run may have written to the same place,
//! and the rows would not be those that were loaded.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Connector;
use crate::run::Shared;
use crate::run::current::Current;
use crate::run::extension::{Extension, Mode};
use crate::run::hook::{Hook, Points};
use crate::run::request::Request;
use crate::run::run_plan::RunPlan;
use setl_commit::{Identity, Owner};

/// A file, or a directory of files, that a run has loaded.
pub(crate) struct Seen {
    path: PathBuf,
    target: String,
    identity: Identity,
    /// The number of changes of the file that the run had noticed before.
    generation: u32,
    changes: Arc<Changes>,
}

/// The loads and the writes of the factories of a run.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// For each path, the identity at the last load and the number of its changes.
    loaded: HashMap<PathBuf, (Identity, u32)>,
    /// Each written target, with the factory that has written it.
    written: Vec<(String, String)>,
}

impl Changes {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a factory has written to a target.
    fn written(&self, target: &str, factory: &str) {
        self.lock().written.push((target.to_owned(), factory.to_owned()));
    }
}

/// Detection of changed files, as an extension of runs.
pub(crate) struct WatchesFiles;

impl Extension for WatchesFiles {
    /// Writes that were kept are combined with those of the run.
    fn open(&self, _: &mut RunPlan, _: &Request, _: Mode) -> Result<(), String> {
        super::add_format();
        Ok(())
    }

    fn attach(&self, plan: &mut RunPlan) {
        plan.hooks.push(Box::new(Watched::default()));
    }
}

/// The changes of files in a run.
#[derive(Default)]
struct Watched(Arc<Changes>);

impl Hook for Watched {
    fn points(&self) -> Points {
        Points::COMMIT
    }

    /// Records the targets that the run is about to change. This comes before the end of the commit, so that concurrent readers are
    /// informed, too.
    fn seal(&self, run: &Shared, _: bool) -> crate::Result<Vec<String>> {
        written(run, run.transaction().targets());
        Ok(Vec::new())
    }
}

/// Records the targets that attempts of factories have changed, for readers of data that was loaded from them before.
pub(super) fn written(run: &Shared, targets: impl IntoIterator<Item = (Owner, String)>) {
    let Some(Watched(changes)) = run.hook() else { return };
    for (owner, target) in targets {
        changes.written(&target, &run.plan.factories[owner.node].name);
    }
}

impl Seen {
    /// Records the file that the connector is about to load, if this is in a run and the connector has a file.
    pub(super) fn of(connector: &dyn Connector) -> Option<Arc<Self>> {
        let current = Current::get()?;
        let path = std::path::absolute(connector.path()?).ok()?;
        let identity = Identity::of(&path).ok()??;
        let changes = Arc::clone(&current.shared.hook::<Watched>()?.0);
        let generation = {
            let mut known = changes.lock();
            let (last, generation) =
                known.loaded.entry(path.clone()).or_insert_with(|| (identity.clone(), 0));
            if *last != identity {
                (*last, *generation) = (identity.clone(), *generation + 1);
            }
            *generation
        };
        Some(Arc::new(Self { path, target: connector.target(), identity, generation, changes }))
    }

    /// Describes the change of the file since it was loaded, if there is one. The files of a directory are compared only
    /// if `thoroughly` is set.
    pub(crate) fn change(&self, thoroughly: bool) -> Option<String> {
        if self.identity.is_at(&self.path, thoroughly) {
            return None;
        }
        let known = self.changes.lock();
        let by = known.written.iter().rev().find(|(target, _)| *target == self.target);
        let (by, after) = match by {
            Some((_, factory)) => (format!(", by factory `{factory}`"), format!("after `{factory}`")),
            None => (String::new(), "again".to_owned()),
        };
        Some(format!(
            "{} has been changed since it was loaded{by}: to have the rows as they were, materialize the dataset before \
             (`Dataset::materialize`); to have those that are there now, load it {after}",
            self.path.display()
        ))
    }

    /// Returns a suffix that distinguishes this check from one of the same place at another time.
    pub(crate) fn suffix(&self) -> String {
        if self.generation == 0 { String::new() } else { format!(", changed {} times", self.generation) }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seen").field(&self.path).finish()
    }
}
