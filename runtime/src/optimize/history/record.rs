//! What is kept of a run.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::optimize::{Interval, Prediction};

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
    /// Whether all went well. What is learned of a pipeline is learned from such runs.
    pub succeeded: bool,
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
            succeeded: true,
            factories: Vec::new(),
            subplans: Vec::new(),
            cores: None,
            links: Vec::new(),
            choices: Vec::new(),
            reads: Vec::new(),
            lookups: Vec::new(),
        }
    }
}

/// What is kept of one factory of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactoryRecord {
    /// Its name.
    pub factory: String,
    /// The fingerprint of its code, in hexadecimal digits.
    pub code: String,
    /// What became of it, as [`Status`](crate::run::Status) is displayed. Only from `ok` is anything learned.
    pub status: String,
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
}

impl FactoryRecord {
    /// Of a factory that succeeded, to fill in.
    pub fn new(factory: impl Into<String>, code: impl Into<String>, wall: Duration) -> Self {
        Self {
            factory: factory.into(),
            code: code.into(),
            status: crate::run::Status::Succeeded.to_string(),
            wall,
            cpu: None,
            rows_in: None,
            bytes_in: None,
            rows_out: None,
            bytes_out: None,
            peak_bytes: None,
            predicted: None,
            in_query_of: None,
        }
    }

    /// Whether anything can be learned from it.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.status == crate::run::Status::Succeeded.to_string()
    }
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
