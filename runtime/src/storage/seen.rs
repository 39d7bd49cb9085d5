//! What was there when a run loaded it, and whether it is still there when it is read.
//!
//! A dataset reads when its query runs. In a run, another factory may have written to the same place by then, and the rows would
//! not be those that were loaded.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Connector;
use crate::run::current::Current;
use setl_commit::Identity;

/// A file, or a directory of files, that a run has loaded.
pub(crate) struct Seen {
    path: PathBuf,
    target: String,
    identity: Identity,
    /// How often the run has found it changed before.
    generation: u32,
    changes: Arc<Changes>,
}

/// What the factories of a run have loaded and written.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By its path: what was there when it was loaded last, and how often that was something else.
    loaded: HashMap<PathBuf, (Identity, u32)>,
    /// Which factory has written to which target.
    written: Vec<(String, String)>,
}

impl Changes {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers who has changed a target.
    pub(crate) fn written(&self, target: &str, factory: &str) {
        self.lock().written.push((target.to_owned(), factory.to_owned()));
    }
}

impl Seen {
    /// What the connector is about to load, if this is in a run and it is a file.
    pub(super) fn of(connector: &dyn Connector) -> Option<Arc<Self>> {
        let current = Current::get()?;
        let path = std::path::absolute(connector.path()?).ok()?;
        let identity = Identity::of(&path).ok()??;
        let changes = Arc::clone(current.shared.changes.get_or_init(Arc::default));
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

    /// What has become of it, if it is not what was loaded. Of a directory, its files are looked at only `thoroughly`.
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

    /// Tells a check of this from one of the same place at another time.
    pub(crate) fn suffix(&self) -> String {
        if self.generation == 0 { String::new() } else { format!(", changed {} times", self.generation) }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seen").field(&self.path).finish()
    }
}
