//! Chooses between several ways to run a pipeline.
//!
//! Each alternative has a posterior of the logarithm of its makespan, as [factories](super::model) have of their times: its
//! prediction is the prior, with a weight of [`PREDICTION`] measurements, and the makespans of its runs are measurements. The
//! probability that one alternative is better than another is the probability that the difference of their means is less than
//! zero, with the degrees of freedom of Welch (*Biometrika* 34, 1947).
//!
//! - The alternative with the lowest median is the **best** so far.
//! - Another alternative is **open** as long as the best is better with a probability of less than [`Rules::confidence`], unless
//!   both are the same within [`Rules::indifference`] with that probability.
//! - The open alternative with the fewest runs is **tried** if the cost of all trials so far and its predicted extra cost are
//!   together at most [`Rules::budget`] of the time of all recorded runs. Otherwise the best is taken.
//!
//! The cost of trials is the sum, over the alternatives that are not the best, of the time that their runs took beyond the median
//! of the best. So the regret, against a program that has always known the best, is at most the budget plus the time that the
//! last trial took beyond its prediction. When the times of an alternative [drift](super::drift), earlier measurements count only
//! as a prediction, for all alternatives: the question is open again. The cost of earlier trials still counts.
//!
//! The choice is deterministic: equal histories give equal decisions.

mod arm;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::history::RunRecord;
use super::model::{Interval, seconds};
use arm::{Arm, arms};

/// The weight of a prediction, in measurements.
pub const PREDICTION: f64 = 0.2;

/// The number of later runs with the same alternative after which a run counts half as much.
pub const HALF_LIFE: f64 = 100.0;

/// The extra cost, as a share of the cost of the best, that is assumed for an alternative without any evidence.
pub const UNKNOWN: f64 = 0.5;

/// The rules for trying alternatives, for [`choose`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// The maximum cost of trials, as a share of the time of all recorded runs.
    pub budget: f64,
    /// The probability from which on one alternative counts as better than another.
    pub confidence: f64,
    /// Alternatives whose times differ by at most this share count as the same.
    pub indifference: f64,
}

impl Default for Rules {
    /// Default: 5 %, 95 %, 2 %.
    fn default() -> Self {
        Self { budget: 0.05, confidence: 0.95, indifference: 0.02 }
    }
}

/// One of several ways to run a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Its name.
    pub name: String,
    /// The predicted makespan in seconds, if there is a prediction.
    pub predicted: Option<Interval>,
}

/// One run with one of the alternatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The name of the alternative.
    pub alternative: String,
    /// The makespan of the run.
    pub makespan: Duration,
    /// The amount of work, in any unit that is the same for all alternatives, such as bytes that are read. If it is known for all
    /// runs, their times are compared as if all runs had the size of the last one.
    pub size: Option<f64>,
}

impl Trial {
    /// The successful runs that have tried alternatives of a choice, in their order, without sizes. Only runs whose other choices
    /// equal `strategy` count.
    pub fn of_runs(runs: &[RunRecord], choice: &str, strategy: &BTreeMap<String, String>) -> Vec<Self> {
        let without = |strategy: &BTreeMap<String, String>| {
            let mut others = strategy.clone();
            others.remove(choice);
            others
        };
        let others = without(strategy);
        let comparable = runs.iter().filter(|run| run.succeeded && without(&run.strategy) == others);
        let trial = |run: &RunRecord| {
            let alternative = run.strategy.get(choice)?.clone();
            Some(Self { alternative, makespan: run.makespan, size: None })
        };
        comparable.filter_map(trial).collect()
    }
}

/// The evidence about one alternative.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// The name of the alternative.
    pub alternative: String,
    /// The number of its runs since the last change.
    pub runs: usize,
    /// The estimated median of its runs, in seconds, as an interval with a probability of 90 %. `None` if nothing is known.
    pub seconds: Option<Interval>,
    /// The probability that the best is better. `None` for the best itself.
    pub worse: Option<f64>,
}

/// The alternative to take next, with the reason. Prints as the reason.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The name of the choice.
    pub choice: String,
    /// The alternative to take.
    pub alternative: String,
    /// The reason: a sentence with figures.
    pub reason: String,
    /// `true` if it is taken to learn more, although another may be better.
    pub tries: bool,
    /// The evidence about each alternative.
    pub evidence: Vec<Evidence>,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A choice without alternatives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("choice `{choice}` has no alternatives: give it at least one")]
#[non_exhaustive]
pub struct NoAlternatives {
    /// The name of the choice.
    pub choice: String,
}

/// Chooses how to run next, from the predictions for the alternatives and from the runs so far, the oldest first. Trials of
/// alternatives that no longer exist only add to the time of all runs.
///
/// ```
/// use std::time::Duration;
///
/// use setl_learn::choice::{Alternative, Rules, Trial, choose};
///
/// let alternatives = ["hash", "sort"].map(|name| Alternative { name: name.into(), predicted: None });
/// let trials: Vec<_> = (0..20)
///     .map(|day| {
///         let (alternative, seconds) = if day % 4 == 3 { ("sort", 12.0) } else { ("hash", 10.0) };
///         let makespan = Duration::from_secs_f64(seconds + 0.1 * f64::from(day % 3));
///         Trial { alternative: alternative.into(), makespan, size: None }
///     })
///     .collect();
/// let decision = choose("join", &alternatives, &trials, &Rules::default())?;
/// assert_eq!(decision.alternative, "hash");
/// println!("{decision}");
/// # Ok::<(), setl_learn::choice::NoAlternatives>(())
/// ```
///
/// # Errors
/// When there are no alternatives.
pub fn choose(
    choice: &str,
    alternatives: &[Alternative],
    trials: &[Trial],
    rules: &Rules,
) -> Result<Decision, NoAlternatives> {
    let (arms, lost) = arms(alternatives, trials);
    let lowest = |a: &&Arm<'_>, b: &&Arm<'_>| a.location().total_cmp(&b.location());
    let known = arms.iter().filter(|arm| arm.mean.is_some());
    // Without any evidence, the first alternative is as good as any other.
    let Some(best) = known.min_by(lowest).or(arms.first()) else {
        return Err(NoAlternatives { choice: choice.to_owned() });
    };
    let total: f64 = trials.iter().map(|trial| trial.makespan.as_secs_f64()).sum();
    let budget = rules.budget * total;
    let others = arms.iter().filter(|arm| arm.name != best.name);
    let spent = lost + others.map(|arm| arm.beyond(best)).sum::<f64>();
    let open = arms.iter().filter(|arm| arm.name != best.name && arm.is_open(best, rules));
    let next =
        open.min_by(|a, b| a.times.len().cmp(&b.times.len()).then(a.location().total_cmp(&b.location())));
    // The best is measured first, and at least as often as the alternative that it is compared with.
    let next = next.filter(|next| !best.times.is_empty() && next.times.len() <= best.times.len());
    let percent = rules.budget * 100.0;
    let limit = format!("{percent:.0} % of {} in {} runs", seconds(total), trials.len());
    let (taken, tries, reason) = match next {
        Some(next) => {
            let extra = next.extra(best);
            let sum = format!(
                "trying has cost {} and is predicted to cost {} this time, of {} allowed ({limit})",
                seconds(spent),
                seconds(extra),
                seconds(budget)
            );
            let doubt = next.doubt(best);
            if spent + extra <= budget {
                (next, true, format!("`{choice}`: `{}` is tried: {doubt}; {sum}", next.name))
            } else {
                (best, false, format!("`{choice}`: `{}` is kept: {doubt}, but {sum}", best.name))
            }
        }
        None => (best, false, format!("`{choice}`: `{}` is kept: {}", best.name, best.proof(&arms, rules))),
    };
    Ok(Decision {
        choice: choice.to_owned(),
        alternative: taken.name.to_owned(),
        reason,
        tries,
        evidence: arms.iter().map(|arm| arm.evidence(best)).collect(),
    })
}
