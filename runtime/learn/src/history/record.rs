//! The record of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::{Interval, Prediction};

/// The record of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The id of the run.
    pub run_id: String,
    /// The pipeline.
    pub pipeline: String,
    /// The start time of the run.
    pub started: SystemTime,
    /// The version of `setl`.
    pub version: String,
    /// The number of factories that could run at the same time.
    pub workers: usize,
    /// The alternative that was taken for each choice.
    pub strategy: BTreeMap<String, String>,
    /// The time from the start of the run to its end.
    pub makespan: Duration,
    /// The prediction that was made before the run.
    pub predicted: Option<Prediction>,
    /// The peak memory of the run, in bytes.
    pub peak_bytes: Option<u64>,
    /// The CPU time that the process used during the run.
    #[serde(default)]
    pub cpu: Option<Duration>,
    /// `true` if the run succeeded. Only successful runs are used to learn from.
    pub succeeded: bool,
    /// The reason why the run did not succeed, if it is not the error of a factory: a failed commit, a deadline.
    #[serde(default)]
    pub error: Option<String>,
    /// Its factories.
    pub factories: Vec<FactoryRecord>,
    /// The subplans that were computed once for several factories.
    pub subplans: Vec<SubplanRecord>,
    /// The number of cores.
    #[serde(default)]
    pub cores: Option<usize>,
    /// The dependencies, as pairs of nodes: factories by their place in `factories`, then the gates of barriers.
    #[serde(default)]
    pub links: Vec<(usize, usize)>,
    /// The choices between several ways to do a part of the run.
    #[serde(default)]
    pub choices: Vec<ChoiceRecord>,
    /// The data that queries read.
    #[serde(default)]
    pub reads: Vec<ReadRecord>,
    /// The cache lookups.
    #[serde(default)]
    pub lookups: Vec<LookupRecord>,
    /// The batches of queries that were run together, in their order.
    #[serde(default)]
    pub batches: Vec<BatchRecord>,
}

impl RunRecord {
    /// Creates the record of a run of this version of `setl` that succeeded on one worker. The other fields are to be filled in.
    pub fn new(run_id: impl Into<String>, pipeline: impl Into<String>, started: SystemTime) -> Self {
        Self {
            run_id: run_id.into(),
            pipeline: pipeline.into(),
            started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            workers: 1,
            strategy: BTreeMap::new(),
            makespan: Duration::ZERO,
            predicted: None,
            peak_bytes: None,
            cpu: None,
            succeeded: true,
            error: None,
            factories: Vec::new(),
            subplans: Vec::new(),
            cores: None,
            links: Vec::new(),
            choices: Vec::new(),
            reads: Vec::new(),
            lookups: Vec::new(),
            batches: Vec::new(),
        }
    }
}

/// The end of a factory in a run. Records hold it as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum FactoryStatus {
    /// The factory ran and delivered: `ok`.
    Succeeded,
    /// The output was taken from a checkpoint: `restored`.
    Restored,
    /// The output was taken from the cache: `cached`.
    Cached,
    /// Another factory delivered its output: `merged`.
    Merged,
    /// The factory was left out by its condition, by the settings or after a failure: `skipped`.
    Skipped,
    /// The factory failed: `failed`.
    Failed,
    /// The factory was ended early: `cancelled`.
    Cancelled,
    /// The factory was not started: `not run`.
    NotRun,
    /// The factory was not selected for the run: `left out`.
    NotSelected,
    /// A status that this version does not know.
    Unknown,
}

impl FactoryStatus {
    const ALL: [Self; 10] = [
        Self::Succeeded,
        Self::Restored,
        Self::Cached,
        Self::Merged,
        Self::Skipped,
        Self::Failed,
        Self::Cancelled,
        Self::NotRun,
        Self::NotSelected,
        Self::Unknown,
    ];

    /// The text of the status, in records and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "ok",
            Self::Restored => "restored",
            Self::Cached => "cached",
            Self::Merged => "merged",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::NotRun => "not run",
            Self::NotSelected => "left out",
            Self::Unknown => "unknown",
        }
    }

    /// The status with this text.
    pub(super) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for FactoryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<String> for FactoryStatus {
    fn from(name: String) -> Self {
        Self::named(&name)
    }
}

impl From<FactoryStatus> for &'static str {
    fn from(status: FactoryStatus) -> Self {
        status.name()
    }
}

/// The record of one factory of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactoryRecord {
    /// The name of the factory.
    pub factory: String,
    /// The fingerprint of its code, in hexadecimal digits.
    pub code: String,
    /// The final status. Only [`FactoryStatus::Succeeded`] is used to learn from.
    pub status: FactoryStatus,
    /// The number of attempts. `None` if it is unknown, as in records of earlier versions.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// The error of the last attempt with its causes, in one line of at most about 2 kB. `None` if the factory did not fail.
    #[serde(default)]
    pub error: Option<String>,
    /// The time from its start to its end.
    pub wall: Duration,
    /// The CPU time that it used.
    pub cpu: Option<Duration>,
    /// The rows of its input, including the files that it read.
    pub rows_in: Option<u64>,
    /// The bytes of its input, including the files that it read.
    pub bytes_in: Option<u64>,
    /// The rows of its output.
    pub rows_out: Option<u64>,
    /// The bytes of its output.
    pub bytes_out: Option<u64>,
    /// The peak memory, in bytes.
    pub peak_bytes: Option<u64>,
    /// The predicted seconds for `wall`.
    pub predicted: Option<Interval>,
    /// The factory whose query did the work of this one. This factory then has no time of its own.
    pub in_query_of: Option<String>,
    /// The part of `wall` during which it waited for queries that were run [together](BatchRecord) with those of other factories.
    #[serde(default)]
    pub waited: Duration,
    /// The time of its own queries among them, without the parts that they shared with others.
    #[serde(default)]
    pub queries: Duration,
    /// The files that the factory or its queries have read.
    #[serde(default)]
    pub files: Vec<FileRecord>,
}

impl FactoryRecord {
    /// Creates the record of a factory that succeeded. The other fields are to be filled in.
    pub fn new(factory: impl Into<String>, code: impl Into<String>, wall: Duration) -> Self {
        Self {
            factory: factory.into(),
            code: code.into(),
            status: FactoryStatus::Succeeded,
            attempts: None,
            error: None,
            wall,
            cpu: None,
            rows_in: None,
            bytes_in: None,
            rows_out: None,
            bytes_out: None,
            peak_bytes: None,
            predicted: None,
            in_query_of: None,
            waited: Duration::ZERO,
            queries: Duration::ZERO,
            files: Vec::new(),
        }
    }

    /// The factory's own time: its wall time, in which the time of its own queries replaces the time of waiting for the whole
    /// batch.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use setl_learn::FactoryRecord;
    ///
    /// let mut report = FactoryRecord::new("report", "c0de", Duration::from_secs(9));
    /// report.waited = Duration::from_secs(8); // for ten queries together
    /// report.queries = Duration::from_secs(2); // for its own
    /// assert_eq!(report.own(), Duration::from_secs(3));
    /// ```
    pub fn own(&self) -> Duration {
        self.beside() + self.queries
    }

    /// The time of the factory outside of the batches of queries.
    pub(crate) fn beside(&self) -> Duration {
        self.wall.saturating_sub(self.waited)
    }

    /// `true` if its output was taken from an earlier run.
    pub fn is_from_earlier(&self) -> bool {
        matches!(self.status, FactoryStatus::Cached | FactoryStatus::Restored)
    }

    /// `true` if the record can be used to learn from.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.status == FactoryStatus::Succeeded
    }
}

/// A file or a directory of files that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The path of the file.
    pub path: PathBuf,
    /// The size at that time; for a directory, that of all its files.
    pub bytes: u64,
}

impl FileRecord {
    /// The record of a file in its present state, or of a directory with its content. `None` if it does not exist. This function
    /// blocks.
    ///
    /// ```
    /// use setl_learn::FileRecord;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// std::fs::write(directory.path().join("a.csv"), "1")?;
    /// std::fs::write(directory.path().join("b.csv"), "22")?;
    /// assert_eq!(FileRecord::at(directory.path()).map(|record| record.bytes), Some(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn at(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        let bytes = size(&path)?;
        Some(Self { path, bytes })
    }
}

fn size(path: &Path) -> Option<u64> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_dir() {
        return metadata.is_file().then_some(metadata.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path).ok()? {
        let entry = entry.ok()?;
        // A link to a directory may lead back to this one.
        let is_link = entry.file_type().ok()?.is_symlink() && entry.path().is_dir();
        bytes += if is_link { 0 } else { size(&entry.path()).unwrap_or(0) };
    }
    Some(bytes)
}

/// The record of queries of several factories that were run together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// The names of the factories that waited for the queries, each once.
    pub factories: Vec<String>,
    /// The time from the start of the first query to the end of the last.
    pub wall: Duration,
}

/// The record of a subplan that was computed once for several factories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubplanRecord {
    /// The fingerprint of the subplan.
    pub fingerprint: String,
    /// The factories that used it.
    pub consumers: Vec<String>,
    /// The time to compute it.
    pub wall: Duration,
    /// The number of its rows.
    pub rows: Option<u64>,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// The factories whose whole query is this subplan.
    #[serde(default)]
    pub whole_of: Vec<String>,
}

/// A choice between several ways that give the same result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRecord {
    /// The name of the choice: `engine`, or `file` for reading a file once for several queries.
    pub choice: String,
    /// The fingerprint of the plan: the same for the same plan, in all runs.
    pub fingerprint: String,
    /// The factories that waited for it.
    pub factories: Vec<String>,
    /// The alternative that was taken.
    pub alternative: String,
    /// `true` if it was taken to learn more, although another may have been better.
    pub tried: bool,
    /// The time that it took.
    pub wall: Duration,
    /// The size of the input in bytes, if it is known.
    pub size: Option<u64>,
    /// The reason for the choice.
    pub because: String,
}

/// A source that a query read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadRecord {
    /// The factories that waited for the query.
    pub factories: Vec<String>,
    /// The path of the file. `None` for a frame in memory.
    pub path: Option<String>,
    /// `CSV`, `NDJSON`, `Parquet`, or `frame`.
    pub format: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The time of the last change of the file.
    pub modified: Option<SystemTime>,
    /// The number of columns that were read.
    pub columns_read: usize,
    /// The number of columns of the source.
    pub columns: usize,
    /// The factory that delivered the frame, if only one can have.
    pub from: Option<String>,
}

/// A cache lookup of one output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRecord {
    /// The factory of the output.
    pub factory: String,
    /// `true` if the output was taken from the cache.
    pub hit: bool,
    /// The reason why it was not taken, if there was an entry.
    pub because: Option<String>,
}

/// A choice of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRun {
    /// The id of the run.
    pub run_id: String,
    /// The start time of the run.
    pub started: SystemTime,
    /// The record of the choice.
    pub record: ChoiceRecord,
}

/// The measurements of a factory in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The id of the run.
    pub run_id: String,
    /// The start time of the run.
    pub started: SystemTime,
    /// The number of factories that could run at the same time.
    pub workers: usize,
    /// The record of the factory.
    pub record: FactoryRecord,
}

/// The strategy of one run, and its makespan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrategyRun {
    /// The id of the run.
    pub run_id: String,
    /// The start time of the run.
    pub started: SystemTime,
    /// The number of factories that could run at the same time.
    pub workers: usize,
    /// The alternative that was taken for each choice.
    pub strategy: BTreeMap<String, String>,
    /// The time from the start of the run to its end.
    pub makespan: Duration,
    /// `true` if the run succeeded.
    pub succeeded: bool,
}
