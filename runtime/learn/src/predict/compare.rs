//! Compares predictions with measurements.

use std::fmt;

use super::Prediction;
use crate::history::{FactoryRecord, RunRecord};
use crate::model::{Basis, Interval, LEVEL, seconds, unknown_since};

/// The prediction of a run, compared with its measurements.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use setl_learn::{Basis, Comparison, Interval, Prediction, RunRecord};
///
/// let predicted = Prediction {
///     pipeline: "Nightly".into(),
///     workers: 4,
///     makespan: Interval { low: 0.9, median: 1.2, high: 1.6 },
///     peak_bytes: None,
///     basis: Basis::Observed(14),
///     factories: Vec::new(),
///     batches: Vec::new(),
/// };
/// let mut run = RunRecord::new("01", "Nightly", SystemTime::UNIX_EPOCH);
/// run.makespan = Duration::from_millis(1310);
/// let comparison = Comparison::new(&predicted, &run);
/// assert_eq!(comparison.to_string(), "predicted 1.20 s (0.90 to 1.60), took 1.31 s");
/// assert!(comparison.held());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The makespan, in seconds.
    pub makespan: Compared,
    /// The [own](crate::FactoryRecord::own) time of each factory that had one and succeeded, in seconds, by name.
    pub factories: Vec<(String, Compared)>,
}

/// One predicted quantity with its measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// The predicted interval.
    pub predicted: Interval,
    /// The evidence for the prediction.
    pub basis: Basis,
    /// The measured value.
    pub was: f64,
}

impl Compared {
    /// `true` if the measured value is in the predicted interval.
    pub fn held(&self) -> bool {
        self.predicted.contains(self.was)
    }

    /// `true` if the prediction was [useful](Interval::if_known).
    pub fn was_known(&self) -> bool {
        self.predicted.if_known(self.basis).is_some()
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.predicted.if_known(self.basis) {
            Some(predicted) => write!(f, "predicted {}, took {}", predicted.seconds(), seconds(self.was)),
            None => write!(
                f,
                "took {}, and was not predicted yet: {}",
                seconds(self.was),
                unknown_since(self.basis)
            ),
        }
    }
}

impl Comparison {
    /// Compares a run with its prediction.
    pub fn new(predicted: &Prediction, run: &RunRecord) -> Self {
        let factories = run.factories.iter().filter(|record| record.has_succeeded());
        let factories = factories.filter(|record| record.in_query_of.is_none()).filter_map(|record| {
            let of_factory = predicted.factories.iter().find(|of| of.factory == record.factory)?;
            let wall = of_factory.in_query_of.is_none().then_some(of_factory.wall)?;
            let was = record.own().as_secs_f64();
            let compared = Compared { predicted: wall.interval(), basis: wall.basis, was };
            Some((record.factory.clone(), compared))
        });
        let was = run.makespan.as_secs_f64();
        Self {
            makespan: Compared { predicted: predicted.makespan, basis: predicted.basis, was },
            factories: factories.collect(),
        }
    }

    /// `true` if the makespan is in the predicted interval.
    pub fn held(&self) -> bool {
        self.makespan.held()
    }

    /// The number of factories whose time is in the predicted interval, and the number of compared factories.
    pub fn coverage(&self) -> (usize, usize) {
        (self.factories.iter().filter(|(_, compared)| compared.held()).count(), self.factories.len())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.makespan)?;
        let known: Vec<_> = self.factories.iter().filter(|(_, compared)| compared.was_known()).collect();
        let others: Vec<_> = known.iter().filter(|(_, compared)| !compared.held()).collect();
        if !known.is_empty() {
            write!(f, "; {} of {} factories as predicted", known.len() - others.len(), known.len())?;
        }
        for (factory, compared) in others {
            write!(f, "\n`{factory}`: {compared}")?;
        }
        Ok(())
    }
}

/// The coverage of predictions: about nine in ten values should lie in their intervals.
///
/// ```
/// use setl_learn::predict::Coverage;
///
/// let coverage = Coverage { makespans: (9, 10), factories: (88, 100) };
/// assert_eq!(
///     coverage.to_string(),
///     "9 of 10 makespans and 88 of 100 times of factories were within their intervals of 90 %"
/// );
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The number of makespans in their intervals, and the number of predicted makespans of successful runs. Runs that took an
    /// output from an earlier run do not count, because the prediction was that all outputs are computed.
    pub makespans: (usize, usize),
    /// The same two numbers for the times of factories.
    pub factories: (usize, usize),
}

impl Coverage {
    pub(super) fn of(runs: &[RunRecord]) -> Self {
        let mut coverage = Self::default();
        let add = |to: &mut (usize, usize), held: bool| *to = (to.0 + usize::from(held), to.1 + 1);
        for run in runs {
            let from_earlier = run.factories.iter().any(FactoryRecord::is_from_earlier);
            if let Some(predicted) = run.predicted.as_ref().filter(|_| run.succeeded && !from_earlier) {
                add(&mut coverage.makespans, predicted.makespan.contains(run.makespan.as_secs_f64()));
            }
            let records = run.factories.iter().filter(|record| record.has_succeeded());
            for record in records.filter(|record| record.in_query_of.is_none()) {
                if let Some(predicted) = record.predicted {
                    add(&mut coverage.factories, predicted.contains(record.own().as_secs_f64()));
                }
            }
        }
        coverage
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((makespans, runs), (times, factories)) = (self.makespans, self.factories);
        write!(f, "{makespans} of {runs} makespans and {times} of {factories} times of factories ")?;
        write!(f, "were within their intervals of {:.0} %", LEVEL * 100.0)
    }
}
