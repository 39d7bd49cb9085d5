//! What is kept of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::{Interval, Prediction};

/// What is kept of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Identifies the run.
    pub run_id: String,
    /// The pipeline.
    pub pipeline: String,
    /// When it started.
    pub started: SystemTime,
    /// The version of `setl`.
    pub version: String,
    /// How many factories could run at once.
    pub workers: usize,
    /// The alternative that was taken of each choice.
    pub strategy: BTreeMap<String, String>,
    /// From the start of the run to its end.
    pub makespan: Duration,
    /// What was predicted before.
    pub predicted: Option<Prediction>,
    /// The most memory that it had.
    pub peak_bytes: Option<u64>,
    /// The time of processors that the process took while it ran.
    #[serde(default)]
    pub cpu: Option<Duration>,
    /// Whether all went well. What is learned of a pipeline is learned from such runs.
    pub succeeded: bool,
    /// Why the run did not succeed, if that is not the error of a factory: a commit that failed, a deadline.
    #[serde(default)]
    pub error: Option<String>,
    /// Its factories.
    pub factories: Vec<FactoryRecord>,
    /// What was computed once for several factories.
    pub subplans: Vec<SubplanRecord>,
    /// How many cores there were.
    #[serde(default)]
    pub cores: Option<usize>,
    /// Who had to wait for whom: factories by their place in `factories`, then the gates of barriers.
    #[serde(default)]
    pub links: Vec<(usize, usize)>,
    /// What was done in one of several ways.
    #[serde(default)]
    pub choices: Vec<ChoiceRecord>,
    /// What queries read.
    #[serde(default)]
    pub reads: Vec<ReadRecord>,
    /// What was looked for in the cache.
    #[serde(default)]
    pub lookups: Vec<LookupRecord>,
    /// The queries that were run together, in their order.
    #[serde(default)]
    pub batches: Vec<BatchRecord>,
}

impl RunRecord {
    /// Of a run of this version of `setl` that succeeded on one worker, to fill in.
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
    /// It has run and delivered: `ok`.
    Succeeded,
    /// Its output was taken from a checkpoint: `restored`.
    Restored,
    /// Its output was taken from the cache: `cached`.
    Cached,
    /// Another factory has delivered for it: `merged`.
    Merged,
    /// It was left out by its condition, by the settings or after a failure: `skipped`.
    Skipped,
    /// It has failed: `failed`.
    Failed,
    /// It was ended early: `cancelled`.
    Cancelled,
    /// It was not started: `not run`.
    NotRun,
    /// The run was not asked for it: `left out`.
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

    /// The text of the status, in records and for people.
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

/// What is kept of one factory of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactoryRecord {
    /// Its name.
    pub factory: String,
    /// The fingerprint of its code, in hexadecimal digits.
    pub code: String,
    /// The end that it came to. Only from [`FactoryStatus::Succeeded`] is anything learned.
    pub status: FactoryStatus,
    /// The number of attempts; none if it is unknown, as in records of earlier versions.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// The error of its last attempt with its causes, in one line of at most about 2 kB. None if it did not fail.
    #[serde(default)]
    pub error: Option<String>,
    /// From its start to its end.
    pub wall: Duration,
    /// The time of processors that it took.
    pub cpu: Option<Duration>,
    /// Rows of all that it took, files that it read among it.
    pub rows_in: Option<u64>,
    /// Bytes of all that it took, files that it read among it.
    pub bytes_in: Option<u64>,
    /// Rows of its output.
    pub rows_out: Option<u64>,
    /// Bytes of its output.
    pub bytes_out: Option<u64>,
    /// The most memory that it had.
    pub peak_bytes: Option<u64>,
    /// The seconds that were predicted for `wall`.
    pub predicted: Option<Interval>,
    /// The factory that ran the query in which the work of this one was done. It has then no time of its own.
    pub in_query_of: Option<String>,
    /// How much of `wall` it waited for queries that were run [together](BatchRecord) with those of others.
    #[serde(default)]
    pub waited: Duration,
    /// How long its own queries took among them, without what they shared with others.
    #[serde(default)]
    pub queries: Duration,
    /// The files that it has read, or its queries have.
    #[serde(default)]
    pub files: Vec<FileRecord>,
}

impl FactoryRecord {
    /// Of a factory that succeeded, to fill in.
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

    /// What it took by itself: its time, with that of its own queries in the place of the time that it waited for those of
    /// others as well.
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

    /// What it took beside the queries that were run together.
    pub(crate) fn beside(&self) -> Duration {
        self.wall.saturating_sub(self.waited)
    }

    /// Whether its output was taken from an earlier run.
    pub fn is_from_earlier(&self) -> bool {
        matches!(self.status, FactoryStatus::Cached | FactoryStatus::Restored)
    }

    /// Whether anything can be learned from it.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.status == FactoryStatus::Succeeded
    }
}

/// A file that was read, or a directory of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Where it was.
    pub path: PathBuf,
    /// Its size then; that of all files in it, if it was a directory.
    pub bytes: u64,
}

impl FileRecord {
    /// Of a file as it is now, or of a directory with all that is in it; none if it is not there. It blocks.
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
        // A link to a directory may lead back to here.
        let is_link = entry.file_type().ok()?.is_symlink() && entry.path().is_dir();
        bytes += if is_link { 0 } else { size(&entry.path()).unwrap_or(0) };
    }
    Some(bytes)
}

/// What is kept of queries of several factories that were run together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// The factories that waited for them, by name, each once.
    pub factories: Vec<String>,
    /// From the start of the first to the end of the last.
    pub wall: Duration,
}

/// What is kept of a part of a query that was computed once for several factories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubplanRecord {
    /// Identifies the part.
    pub fingerprint: String,
    /// The factories that took it.
    pub consumers: Vec<String>,
    /// How long it took to compute.
    pub wall: Duration,
    /// Its rows.
    pub rows: Option<u64>,
    /// Its bytes.
    pub bytes: Option<u64>,
    /// The factories that wanted nothing but this.
    #[serde(default)]
    pub whole_of: Vec<String>,
}

/// Something that was done in one of several ways, which all give the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRecord {
    /// What was to be chosen: `engine`, or whether a `file` is read once for several queries.
    pub choice: String,
    /// Of which plan: the same for the same plan, in all runs.
    pub fingerprint: String,
    /// The factories that waited for it.
    pub factories: Vec<String>,
    /// What was taken.
    pub alternative: String,
    /// Whether it was taken to learn more, although another may have been better.
    pub tried: bool,
    /// How long it took.
    pub wall: Duration,
    /// The bytes that it took, if they are known.
    pub size: Option<u64>,
    /// Why it was taken.
    pub because: String,
}

/// Something that a query read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadRecord {
    /// The factories that waited for it.
    pub factories: Vec<String>,
    /// The file; none of a frame in memory.
    pub path: Option<String>,
    /// `CSV`, `NDJSON`, `Parquet`, or `frame`.
    pub format: String,
    /// How large it is.
    pub bytes: u64,
    /// When the file was last changed.
    pub modified: Option<SystemTime>,
    /// How many columns were read.
    pub columns_read: usize,
    /// How many there are.
    pub columns: usize,
    /// The factory that delivered the frame, if there is one alone that can have.
    pub from: Option<String>,
}

/// An output that was looked for in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRecord {
    /// The factory whose output it is.
    pub factory: String,
    /// Whether it was taken from there.
    pub hit: bool,
    /// Why it was not, where there was something.
    pub because: Option<String>,
}

/// What was chosen in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRun {
    /// Identifies the run.
    pub run_id: String,
    /// When the run started.
    pub started: SystemTime,
    /// What was chosen.
    pub record: ChoiceRecord,
}

/// What was measured of a factory in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Identifies the run.
    pub run_id: String,
    /// When the run started.
    pub started: SystemTime,
    /// How many factories could run at once.
    pub workers: usize,
    /// What was measured.
    pub record: FactoryRecord,
}

/// How one run was done, and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrategyRun {
    /// Identifies the run.
    pub run_id: String,
    /// When the run started.
    pub started: SystemTime,
    /// How many factories could run at once.
    pub workers: usize,
    /// The alternative that was taken of each choice.
    pub strategy: BTreeMap<String, String>,
    /// From the start of the run to its end.
    pub makespan: Duration,
    /// Whether all went well.
    pub succeeded: bool,
}
