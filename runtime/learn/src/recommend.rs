//! What to change in a pipeline, from its history: each with its evidence, and with what it is expected to gain.
//!
//! Recommended is only what the last [`LAST`] successful runs of the pipeline as it is now bear out: at least [`FEWEST`] of them,
//! and a gain that is worth a word. Runs of another plan do not count, and times are medians.
//!
//! | what | from | where |
//! |---|---|---|
//! | split a factory, run more at once | simulated schedules | `schedule` |
//! | keep a file in another format, deliver less, compute once | what queries read and share | `data` |
//! | cache, or do not | what was looked for in the cache, and what stayed the same | `caching` |

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

/// An output that is kept in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedOutput {
    /// The pipeline.
    pub pipeline: String,
    /// The factory.
    pub factory: String,
    /// The size on disk, in bytes.
    pub bytes: u64,
}

/// So many runs are needed to recommend anything.
pub const FEWEST: usize = 5;

/// So many runs are looked at.
pub const LAST: usize = 50;

/// A gain of time is worth a word from this share of a run on, and from [`WORTH_SECONDS`].
pub const WORTH: f64 = 0.05;

/// In each run.
pub const WORTH_SECONDS: f64 = 0.1;

/// What a recommendation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// One factory is most of the critical path.
    Split,
    /// More factories could run at once than may.
    Concurrency,
    /// A text file is read again and again.
    Format,
    /// Few columns of a large delivery are used.
    Columns,
    /// Several factories compute the same.
    Same,
    /// A cache is never of use.
    CacheNeverHits,
    /// A factory does the same again in each run.
    Cache,
}

/// Something to change in a pipeline. Prints as one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// What it is about.
    pub kind: Kind,
    /// The factories, or the file.
    pub subjects: Vec<String>,
    /// What to do.
    pub advice: String,
    /// What speaks for it, with figures.
    pub evidence: String,
    /// Seconds that are saved in each run, about, if that can be told.
    pub seconds: Option<f64>,
    /// Bytes that are saved, of memory or, where a cache is left out, of disk.
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

/// What to change in a pipeline, from its last runs, the oldest first; what gains most comes first. `cache` has the outputs that
/// are kept of it, if that is known.
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
