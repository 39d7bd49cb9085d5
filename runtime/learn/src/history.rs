//! The cost of earlier runs, in an SQLite file that several processes can use at the same time.
//!
//! A run is written in one transaction after it has ended. No run depends on the history to succeed: the caller logs an error and
//! continues.

mod error;
mod open;
mod parts;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

pub use error::HistoryError;
pub use record::{
    BatchRecord, ChoiceRecord, ChoiceRun, FactoryRecord, FactoryStatus, FileRecord, LookupRecord,
    Observation, ReadRecord, RunRecord, StrategyRun, SubplanRecord,
};

/// The cost of earlier runs, in an SQLite file.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use setl_learn::{History, RunRecord};
///
/// # let directory = tempfile::tempdir()?;
/// # let state = directory.path();
/// let history = History::open(History::path_in(state))?;
/// let mut run = RunRecord::new("01", "Nightly", SystemTime::UNIX_EPOCH);
/// run.makespan = Duration::from_secs(70);
/// history.record(&run)?;
/// assert_eq!(history.runs("Nightly", 10)?, [run]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    set_aside: Option<PathBuf>,
    connection: Mutex<Connection>,
}

/// The runs that [`History::prune`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The maximum number of runs kept per pipeline.
    pub runs: usize,
    /// The maximum age of a run, since its start.
    pub age: Duration,
}

impl Default for Retention {
    /// Default: 1000 runs of each pipeline, and 400 days, so that a yearly event is seen twice.
    fn default() -> Self {
        Self { runs: 1000, age: Duration::from_hours(400 * 24) }
    }
}

/// The maximum number of factory records that are read. More records cost more time than they are worth.
const MEASURED: usize = 20_000;

impl History {
    /// The path of the history within a state directory.
    pub fn path_in(state: &Path) -> PathBuf {
        state.join("history.sqlite")
    }

    /// Opens a history, and creates it if it does not exist. A damaged file is renamed, and a new history is begun: see
    /// [`History::set_aside`].
    ///
    /// # Errors
    /// When the file cannot be made or read, is that of a newer version of `setl`, or is a database of another program.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        let path = path.as_ref().to_owned();
        let (connection, set_aside) = open::open(&path)?;
        Ok(Self { path, set_aside, connection: Mutex::new(connection) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The new path of the damaged file that was in the place of this one, if there was one when this history was opened. It can
    /// be deleted.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Adds a run in one transaction. A run that is recorded again replaces its earlier record.
    ///
    /// # Errors
    /// When the file cannot be written, stays locked by another process for 10 seconds, or is damaged.
    pub fn record(&self, run: &RunRecord) -> Result<(), HistoryError> {
        self.using("record a run in", |connection| write::record(connection, run))
    }

    /// The last `last` runs of a pipeline, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn runs(&self, pipeline: &str, last: usize) -> Result<Vec<RunRecord>, HistoryError> {
        self.using("read", |connection| read::runs(connection, pipeline, last))
    }

    /// The measurements of the last `last` runs of a pipeline, the oldest first, with the files that were read in the newest
    /// `files_of` of these runs. Predictions, choices and links are left out.
    ///
    /// A pipeline with very many factories gives fewer runs: as many as have [`MEASURED`] factory records.
    pub(crate) fn measured(
        &self,
        pipeline: &str,
        last: usize,
        files_of: usize,
    ) -> Result<Vec<RunRecord>, HistoryError> {
        self.using("read", |connection| read::measured(connection, pipeline, last, files_of))
    }

    /// The run with this id.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn run(&self, run_id: &str) -> Result<Option<RunRecord>, HistoryError> {
        self.using("read", |connection| read::run(connection, run_id))
    }

    /// The measurements of a factory in all runs of a pipeline, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn observations(&self, pipeline: &str, factory: &str) -> Result<Vec<Observation>, HistoryError> {
        self.using("read", |connection| read::observations(connection, pipeline, factory))
    }

    /// The strategies and makespans of all runs of a pipeline, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn strategies(&self, pipeline: &str) -> Result<Vec<StrategyRun>, HistoryError> {
        self.using("read", |connection| read::strategies(connection, pipeline))
    }

    /// The choices of the last `last` runs of a pipeline, with their times, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn choices(&self, pipeline: &str, last: usize) -> Result<Vec<ChoiceRun>, HistoryError> {
        self.using("read", |connection| parts::choices(connection, pipeline, last))
    }

    /// The pipelines that have recorded runs, by name.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn pipelines(&self) -> Result<Vec<String>, HistoryError> {
        self.using("read", read::pipelines)
    }

    /// Deletes runs that are too old at the time `now`, or too many. Returns the number of deleted runs.
    ///
    /// # Errors
    /// When the file cannot be written, stays locked by another process for 10 seconds, or is damaged.
    pub fn prune(&self, keep: Retention, now: SystemTime) -> Result<usize, HistoryError> {
        self.using("prune", |connection| write::prune(connection, keep, now))
    }

    fn using<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        work(&mut self.connection()).map_err(|error| {
            if !error::is_damage(&error) {
                return HistoryError::sqlite(action, &self.path, error);
            }
            match open::set_aside(&self.path) {
                Ok(aside) => {
                    HistoryError::Damaged { path: self.path.clone(), aside, source: Box::new(error) }
                }
                Err(error) => error,
            }
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that was not committed is rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
