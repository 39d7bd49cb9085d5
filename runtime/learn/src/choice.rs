//! Which of several ways to run a pipeline is taken next.
//!
//! Each alternative has a posterior of the logarithm of its makespan, as [factories](super::model) have of their times: what
//! is predicted of it is its prior, worth [`PREDICTION`] measurements, and the makespans of its runs are measurements. That
//! one alternative is better than another is the probability that the difference of their means is less than zero, with the
//! degrees of freedom of Welch (*Biometrika* 34, 1947).
//!
//! - The one with the lowest median is the **best** so far.
//! - Another is **open** as long as the best is better with a probability of less than [`Rules::confidence`], unless both are
//!   the same within [`Rules::indifference`] with that probability.
//! - Of the open ones, that with the fewest runs is **tried**, if what trying has cost and what it is predicted to cost this time
//!   are together at most [`Rules::budget`] of the time of all recorded runs. Otherwise the best is taken.
//!
//! What trying has cost is, of each alternative that is not the best, what its runs took beyond the median of the best. So the
//! regret, against a program that has always known the best, is at most the budget and what the last trial took beyond its
//! prediction. Where the times of an alternative [drift](super::drift), what was measured before counts only as a prediction,
//! of the others too: the question is open again. What trying had cost before is not forgotten.
//!
//! Nothing is decided by chance: equal histories give equal decisions.

mod arm;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::history::RunRecord;
use super::model::{Interval, seconds};
use arm::{Arm, arms};

/// A prediction is worth so many measurements.
pub const PREDICTION: f64 = 0.2;

/// When so many runs with the same alternative have followed, one counts half as much.
pub const HALF_LIFE: f64 = 100.0;

/// An alternative of which nothing is known is taken to cost so much more than the best.
pub const UNKNOWN: f64 = 0.5;

/// When to try what, for [`choose`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// What trying may cost, as a share of the time of all recorded runs.
    pub budget: f64,
    /// How probable it has to be that one is better than another.
    pub confidence: f64,
    /// Alternatives that differ by no more than this share are the same.
    pub indifference: f64,
}

impl Default for Rules {
    /// 5 %, 95 %, 2 %.
    fn default() -> Self {
        Self { budget: 0.05, confidence: 0.95, indifference: 0.02 }
    }
}

/// One of several ways to run a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Its name.
    pub name: String,
    /// The seconds that are predicted for a run, if there is a prediction.
    pub predicted: Option<Interval>,
}

/// One run with one of the alternatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its name.
    pub alternative: String,
    /// How long the run took.
    pub makespan: Duration,
    /// How much there was to do, in any unit that is the same for all alternatives, such as bytes that are read. If it is
    /// known of all runs, their times are compared as if all had been of the size of the last.
    pub size: Option<f64>,
}

impl Trial {
    /// The runs that have tried alternatives of a choice and succeeded, in their order, without sizes. Only those count in
    /// which all else was as in `strategy`.
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

/// What speaks for or against an alternative.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// Its name.
    pub alternative: String,
    /// Its runs, since something last changed.
    pub runs: usize,
    /// Where the median of its runs is, in seconds, with a chance of 90 %; none if nothing is known.
    pub seconds: Option<Interval>,
    /// How probable it is that the best is better. Of the best itself, none.
    pub worse: Option<f64>,
}

/// What is taken next, and why. Prints as the reason.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// What was to be chosen.
    pub choice: String,
    /// What is taken.
    pub alternative: String,
    /// Why: a sentence with the figures.
    pub reason: String,
    /// Whether it is taken to learn more, although another may be better.
    pub tries: bool,
    /// What speaks for and against each.
    pub evidence: Vec<Evidence>,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// What is to be chosen has no alternatives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("choice `{choice}` has no alternatives: give it at least one")]
#[non_exhaustive]
pub struct NoAlternatives {
    /// What was to be chosen.
    pub choice: String,
}

/// Chooses how to run next, from what is predicted of the alternatives and from the runs that there were, the oldest first.
/// Trials of alternatives that there are no more count for the time of all runs only.
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
    // Where nothing is known of any, the first is as good as another.
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
    // The best is measured first, and as often as what it is compared with.
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
