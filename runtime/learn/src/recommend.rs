//! Recommends changes of a pipeline from its history, each with its evidence and its expected gain.
//!
//! A recommendation rests on the last [`LAST`] successful runs of the present plan: on at least [`FEWEST`] of them, and on a gain
//! that is large enough to be reported. Runs of another plan do not count, and times are medians.
//!
//! | recommendation | evidence | module |
//! |---|---|---|
//! | split a factory, run more at once | simulated schedules | `schedule` |
//! | keep a file in another format, deliver less, compute once | reads and shared parts of queries | `data` |
//! | cache, or do not | cache lookups, and outputs that stayed the same | `caching` |

mod caching;
mod data;
mod past;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use super::history::RunRecord;
use super::model::{bytes, seconds};
use past::Past;

/// An output in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedOutput {
    /// The pipeline.
    pub pipeline: String,
    /// The factory.
    pub factory: String,
    /// The size on disk, in bytes.
    pub bytes: u64,
}

/// The minimum number of runs for a recommendation.
pub const FEWEST: usize = 5;

/// The maximum number of runs that are considered.
pub const LAST: usize = 50;

/// The minimum gain of time that is reported, as a share of a run. It must also be at least [`WORTH_SECONDS`].
pub const WORTH: f64 = 0.05;

/// The minimum gain of time that is reported, in seconds per run.
pub const WORTH_SECONDS: f64 = 0.1;

/// The kind of a recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// One factory is most of the critical path.
    Split,
    /// More factories could run at the same time than the limit allows.
    Concurrency,
    /// A text file is read again and again.
    Format,
    /// Few columns of a large output are used.
    Columns,
    /// Several factories compute the same result.
    Same,
    /// The cache of a factory never hits.
    CacheNeverHits,
    /// A factory computes the same result again in each run.
    Cache,
}

/// A recommended change of a pipeline. Prints as one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// The kind of the recommendation.
    pub kind: Kind,
    /// The factories, or the file.
    pub subjects: Vec<String>,
    /// The recommended change.
    pub advice: String,
    /// The evidence, with figures.
    pub evidence: String,
    /// The approximate number of seconds saved in each run, if it is known.
    pub seconds: Option<f64>,
    /// The approximate number of bytes saved: of memory, or of disk if a cache is to be left out.
    pub bytes: Option<u64>,
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.advice, self.evidence)?;
        match (self.seconds, self.bytes) {
            (Some(time), _) => write!(f, "; saves about {} in each run", seconds(time)),
            (None, Some(size)) => write!(f, "; saves about {}", bytes(size as f64)),
            (None, None) => Ok(()),
        }
    }
}

/// Recommends changes of a pipeline from its last runs, the oldest first. The change with the largest gain comes first. `cache`
/// has the cached outputs of the pipeline, if they are known.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use setl_learn::{FactoryRecord, RunRecord, recommend};
///
/// let run = |day: u64| {
///     let mut run = RunRecord::new(day.to_string(), "Nightly", SystemTime::UNIX_EPOCH);
///     let factory = |name: &str, seconds| FactoryRecord::new(name, "c0de", Duration::from_secs(seconds));
///     run.factories = vec![factory("read", 1), factory("join", 9)];
///     // `join` waits for `read`, and two could run at once.
///     (run.cores, run.workers, run.links) = (Some(2), 2, vec![(0, 1)]);
///     run.makespan = Duration::from_secs(10);
///     run
/// };
/// let runs: Vec<_> = (0..7).map(run).collect();
/// let recommended = recommend(&runs, &[]);
/// assert_eq!(
///     recommended[0].to_string(),
///     "split `join` into parts that run at once: it is 90 % of the critical path, 9.00 s of 10.0 s (median of 7 runs); \
///      saves about 4.50 s in each run"
/// );
/// // Few runs prove nothing.
/// assert_eq!(recommend(&runs[..4], &[]), []);
/// ```
pub fn recommend(runs: &[RunRecord], cache: &[CachedOutput]) -> Vec<Recommendation> {
    let Some(past) = Past::of(runs) else { return Vec::new() };
    let mut all = Vec::new();
    schedule::recommend(&past, &mut all);
    data::recommend(&past, &mut all);
    caching::recommend(&past, cache, &mut all);
    let gain = |of: &Recommendation| of.seconds.unwrap_or(0.0);
    all.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
    all
}
