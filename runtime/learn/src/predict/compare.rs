//! What was predicted beside what happened.

use std::fmt;

use super::Prediction;
use crate::history::{FactoryRecord, RunRecord};
use crate::model::{Basis, Interval, LEVEL, seconds, unknown_since};

/// What was predicted of a run, beside what happened.
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
    /// The [own](crate::FactoryRecord::own) time of each factory that had one and came to its end, in seconds, by
    /// name.
    pub factories: Vec<(String, Compared)>,
}

/// One quantity that was predicted, and what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// Where it was expected.
    pub predicted: Interval,
    /// On what that rests.
    pub basis: Basis,
    /// What it was.
    pub was: f64,
}

impl Compared {
    /// Whether it was where it was expected.
    pub fn held(&self) -> bool {
        self.predicted.contains(self.was)
    }

    /// Whether the prediction was [of use](Interval::if_known).
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
    /// Of a run and what was predicted before.
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

    /// Whether the makespan was where it was expected.
    pub fn held(&self) -> bool {
        self.makespan.held()
    }

    /// How many of its factories took as long as was predicted of them.
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

/// How often predictions held: about nine in ten times, if they are what they say.
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
    /// Of so many makespans of successful runs that were predicted (the second), so many (the first) were as predicted. Those
    /// in which something was taken from an earlier run do not count: all was predicted to be computed.
    pub makespans: (usize, usize),
    /// The same of the times of factories.
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
