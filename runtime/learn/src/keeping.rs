//! Selects the outputs that are worth caching for later runs: those that take much longer to compute than to store and load.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::model::{Basis, bytes as shown, seconds};
use super::predict::{FactoryPrediction, Prediction};

/// Seconds to encode, hash, write and flush a byte: 200 MB per second, as on a cloud disk.
const STORE: f64 = 5e-9;

/// Seconds to read, verify and decode a byte: 500 MB per second.
const LOAD: f64 = 2e-9;

/// Seconds for the files of an entry, whatever their size: they are flushed, renamed and looked up.
const ENTRY: f64 = 0.01;

/// The minimum ratio of the time to compute an output to the time to store and load it. A cached output is not used in every run:
/// at this ratio the cache still pays if every second run uses it.
pub const WORTH: f64 = 3.0;

/// The decision whether to cache the output of a factory, with the reason.
///
/// The assumed speed is 200 MB per second for storing and 500 MB per second for loading, plus 10 ms for each entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheDecision {
    /// The factory.
    pub factory: String,
    /// `true` if the output is cached.
    pub is_kept: bool,
    /// The predicted seconds to compute the output.
    pub compute: f64,
    /// The predicted seconds to store and to load the output, if its size is known.
    pub store_and_load: Option<f64>,
    /// The predicted size of the output, in bytes.
    pub bytes: Option<f64>,
    /// The reason, as in `it takes 12.3 s to compute, and 0.23 s to store and load its 31.0 MB`.
    pub because: String,
}

/// Decides which outputs of the factories in `candidates`, given by their places in the plan, are worth caching. Outputs that
/// save the most seconds per byte come first, until `room` bytes are used. The result is in the order of the plan.
pub fn worth_keeping(prediction: &Prediction, candidates: &[usize], room: u64) -> Vec<CacheDecision> {
    let factories = candidates.iter().filter_map(|&node| prediction.factories.get(node));
    let mut all: Vec<CacheDecision> = factories.map(CacheDecision::of).collect();
    let mut by_gain: Vec<usize> = (0..all.len()).filter(|&at| all[at].is_kept).collect();
    by_gain
        .sort_by(|&one, &other| all[other].gain().partial_cmp(&all[one].gain()).unwrap_or(Ordering::Equal));
    let mut left = room as f64;
    for at in by_gain {
        let bytes = all[at].bytes.unwrap_or_default();
        if bytes <= left {
            left -= bytes;
        } else {
            all[at].is_kept = false;
            all[at].because += &format!(", but others save more for each byte, and {} are left", shown(left));
        }
    }
    all
}

impl CacheDecision {
    /// The decision for one factory, without regard to `room`.
    fn of(factory: &FactoryPrediction) -> Self {
        let compute = factory.wall.median;
        let mut this = Self {
            factory: factory.factory.clone(),
            is_kept: false,
            compute,
            store_and_load: None,
            bytes: factory.bytes_out.map(|bytes| bytes.median),
            because: String::new(),
        };
        if let Some(host) = &factory.in_query_of {
            this.because = format!("its work is done in the query of `{host}`");
            return this;
        }
        if factory.wall.basis == Basis::Prior {
            "how long it takes was never measured".clone_into(&mut this.because);
            return this;
        }
        let Some(bytes) = this.bytes else {
            "of its output no size is known".clone_into(&mut this.because);
            return this;
        };
        let store_and_load = bytes * (STORE + LOAD) + ENTRY;
        this.store_and_load = Some(store_and_load);
        this.is_kept = compute >= WORTH * store_and_load;
        this.because = format!(
            "it takes {} to compute, and {} to store and load its {}",
            seconds(compute),
            seconds(store_and_load),
            shown(bytes)
        );
        this
    }

    /// The seconds that a cache hit saves, per byte.
    fn gain(&self) -> f64 {
        let bytes = self.bytes.unwrap_or_default().max(1.0);
        (self.compute - bytes * LOAD - ENTRY) / bytes
    }
}

impl std::fmt::Display for CacheDecision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.is_kept { "is cached" } else { "is not cached" };
        write!(f, "`{}` {what}: {}", self.factory, self.because)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Estimate, Interval};

    fn factory(name: &str, seconds: f64, bytes: Option<f64>) -> FactoryPrediction {
        let estimate = |median: f64| Estimate {
            low: median / 2.0,
            median,
            high: median * 2.0,
            basis: Basis::Observed(5),
        };
        FactoryPrediction {
            factory: name.to_owned(),
            wall: estimate(seconds),
            bytes_in: None,
            rows_out: None,
            bytes_out: bytes.map(estimate),
            start: 0.0,
            priority: 0.0,
            critical: false,
            in_query_of: None,
        }
    }

    fn check(factories: Vec<FactoryPrediction>, room: u64, kept: &[&str]) -> Vec<CacheDecision> {
        let candidates: Vec<usize> = (0..factories.len()).collect();
        let prediction = Prediction {
            pipeline: "Nightly".to_owned(),
            workers: 2,
            makespan: Interval::exactly(1.0),
            peak_bytes: None,
            basis: Basis::Observed(5),
            factories,
            batches: Vec::new(),
        };
        let all = worth_keeping(&prediction, &candidates, room);
        let found: Vec<_> = all.iter().filter(|one| one.is_kept).map(|one| &*one.factory).collect();
        assert_eq!(found, kept, "{all:#?}");
        all
    }

    #[test]
    fn what_takes_long_and_is_small_is_kept() {
        let mut unmeasured = factory("unmeasured", 100.0, Some(1.0));
        unmeasured.wall.basis = Basis::Prior;
        let mut guest = factory("guest", 0.0, Some(1.0));
        guest.in_query_of = Some("train".to_owned());
        let factories = vec![
            factory("train", 12.3, Some(31e6)),
            factory("copy", 1.0, Some(1e9)),
            factory("quick", 0.02, Some(1.0)),
            factory("sizeless", 50.0, None),
            unmeasured,
            guest,
        ];
        let all = check(factories, 1 << 30, &["train"]);
        let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "`train` is cached: it takes 12.3 s to compute, and 227 ms to store and load its 31.0 MB",
                "`copy` is not cached: it takes 1.00 s to compute, and 7.01 s to store and load its 1.00 GB",
                "`quick` is not cached: it takes 20.0 ms to compute, and 10.0 ms to store and load its 1.00 B",
                "`sizeless` is not cached: of its output no size is known",
                "`unmeasured` is not cached: how long it takes was never measured",
                "`guest` is not cached: its work is done in the query of `train`",
            ]
        );
    }

    #[test]
    fn the_room_is_for_those_that_save_most_for_each_byte() {
        let factories = || {
            vec![
                factory("large", 60.0, Some(600e6)),
                factory("dense", 30.0, Some(100e6)),
                factory("small", 5.0, Some(40e6)),
            ]
        };
        check(factories(), 1_000_000_000, &["large", "dense", "small"]);
        let all = check(factories(), 700_000_000, &["dense", "small"]);
        assert_eq!(
            all[0].because,
            "it takes 60.0 s to compute, and 4.21 s to store and load its 600 MB, but others save more for each byte, and \
             560 MB are left"
        );
        check(factories(), 120_000_000, &["dense"]);
        check(factories(), 50_000_000, &["small"]);
        check(factories(), 0, &[]);
    }
}
