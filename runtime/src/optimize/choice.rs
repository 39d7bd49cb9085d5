//! Which of several ways to run a pipeline is taken next.
//!
//! Each alternative has a posterior of the logarithm of its makespan: [`Belief`](super::model) as for factories, with what
//! is predicted of it as its prior, worth [`PREDICTION`] measurements, and the makespans of its runs as measurements. That
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
//! prediction. Where the times of an alternative [drift](super::drift()), what was measured before counts only as a prediction,
//! of the others too: the question is open again.
//!
//! Nothing is decided by chance: equal histories give equal decisions.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::drift::{Measured, last_change};
use super::history::RunRecord;
use super::model::{Belief, Interval, LEVEL, Point, Posterior, SLOPE, StudentT, seconds};

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
/// use setl::optimize::choice::{Alternative, Rules, Trial, choose};
///
/// let alternatives = ["hash", "sort"].map(|name| Alternative { name: name.into(), predicted: None });
/// let trials: Vec<_> = (0..20)
///     .map(|day| {
///         let (alternative, seconds) = if day % 10 == 9 { ("sort", 12.0) } else { ("hash", 10.0) };
///         let makespan = Duration::from_secs_f64(seconds + 0.1 * f64::from(day % 3));
///         Trial { alternative: alternative.into(), makespan, size: None }
///     })
///     .collect();
/// let decision = choose("join", &alternatives, &trials, &Rules::default())?;
/// assert_eq!(decision.alternative, "hash");
/// println!("{decision}");
/// # Ok::<(), setl::optimize::choice::NoAlternatives>(())
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
    let arms = arms(alternatives, trials);
    let lowest = |a: &&Arm<'_>, b: &&Arm<'_>| a.location().total_cmp(&b.location());
    let known = arms.iter().filter(|arm| arm.mean.is_some());
    // Where nothing is known of any, the first is as good as another.
    let Some(best) = known.min_by(lowest).or(arms.first()) else {
        return Err(NoAlternatives { choice: choice.to_owned() });
    };
    let total: f64 = trials.iter().map(|trial| trial.makespan.as_secs_f64()).sum();
    let budget = rules.budget * total;
    let spent: f64 = arms.iter().filter(|arm| arm.name != best.name).map(|arm| arm.beyond(best)).sum();
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

/// An alternative with what is known of it.
struct Arm<'arm> {
    name: &'arm str,
    /// Of its runs since something last changed, in seconds, as if all had been of one size.
    times: Vec<f64>,
    /// Of the mean of the logarithm of its time, if anything is known.
    mean: Option<StudentT>,
}

fn arms<'arm>(alternatives: &'arm [Alternative], trials: &[Trial]) -> Vec<Arm<'arm>> {
    let logs = at_one_size(trials);
    let of = |name: &str| -> Vec<(usize, f64)> {
        let own = trials.iter().zip(&logs).enumerate().filter(|(_, (trial, _))| trial.alternative == name);
        own.map(|(at, (_, log))| (at, *log)).collect()
    };
    let changes = alternatives.iter().filter_map(|alternative| {
        let own = of(&alternative.name);
        let series: Vec<_> = own.iter().map(|&(_, value)| Measured { size: None, value }).collect();
        last_change(&series).map(|change| own[change.at].0)
    });
    let since = changes.max().unwrap_or(0);
    let arm = |alternative: &'arm Alternative| {
        let (before, own): (Vec<_>, Vec<_>) =
            of(&alternative.name).into_iter().partition(|(at, _)| *at < since);
        // What was measured before the change says more than a prediction.
        let last = &before[before.len().saturating_sub(10)..];
        let before =
            (!last.is_empty()).then(|| last.iter().map(|(_, log)| log).sum::<f64>() / last.len() as f64);
        let predicted = alternative.predicted.map(|predicted| predicted.median.max(1e-9).ln());
        let mean = mean(before.or(predicted), &own);
        Arm { name: &alternative.name, times: own.iter().map(|(_, log)| log.exp()).collect(), mean }
    };
    alternatives.iter().map(arm).collect()
}

/// The mean of the logarithm, from what was expected and what was measured.
fn mean(expected: Option<f64>, own: &[(usize, f64)]) -> Option<StudentT> {
    if expected.is_none() && own.is_empty() {
        return None;
    }
    let constant_weight = expected.map_or(0.0, |_| PREDICTION);
    let belief = Belief { constant: expected.unwrap_or(0.0), constant_weight, ..Belief::with_slope(SLOPE) };
    let points = own.iter().rev().enumerate();
    let points =
        points.map(|(age, (_, log))| Point { x: 0.0, y: *log, weight: (-(age as f64) / HALF_LIFE).exp2() });
    Some(Posterior::fit(belief, points).line_at(0.0))
}

/// Logarithms of the makespans; if all sizes are known, as if all runs had been of the size of the last. How the time grows
/// with the size is learned from the runs of each alternative, with a slope of 1 worth 0.2 measurements.
fn at_one_size(trials: &[Trial]) -> Vec<f64> {
    let logs = trials.iter().map(|trial| trial.makespan.as_secs_f64().max(1e-9).ln());
    let mut logs: Vec<f64> = logs.collect();
    let sizes: Option<Vec<f64>> = trials.iter().map(|trial| trial.size.map(f64::ln_1p)).collect();
    let Some((sizes, last)) = sizes.and_then(|sizes| sizes.last().copied().map(|last| (sizes, last))) else {
        return logs;
    };
    let mut of_each: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
    for ((trial, x), y) in trials.iter().zip(&sizes).zip(&logs) {
        let (count, xs, ys) = of_each.entry(&trial.alternative).or_default();
        (*count, *xs, *ys) = (*count + 1.0, *xs + x, *ys + y);
    }
    let (mut products, mut squares) = (0.2 * SLOPE, 0.2);
    for ((trial, x), y) in trials.iter().zip(&sizes).zip(&logs) {
        let (count, xs, ys) = of_each[&*trial.alternative];
        let (x, y) = (x - xs / count, y - ys / count);
        products += x * y;
        squares += x * x;
    }
    logs.iter_mut().zip(sizes).for_each(|(log, size)| *log += products / squares * (last - size));
    logs
}

impl Arm<'_> {
    fn location(&self) -> f64 {
        self.mean.map_or(f64::INFINITY, |mean| mean.location)
    }

    fn median(&self) -> f64 {
        self.mean.map_or(0.0, |mean| mean.location.exp())
    }

    /// The difference of the mean of this and that of the best, with Welch's degrees of freedom.
    fn difference(&self, best: &Self) -> Option<StudentT> {
        let (own, other) = (self.mean?, best.mean?);
        let (a, b) = (own.scale * own.scale, other.scale * other.scale);
        let freedom = (a + b) * (a + b) / (a * a / own.freedom + b * b / other.freedom);
        Some(StudentT { location: own.location - other.location, scale: (a + b).sqrt(), freedom })
    }

    /// How probable it is that the best is better.
    fn worse(&self, best: &Self) -> Option<f64> {
        self.difference(best).map(|difference| 1.0 - difference.below(0.0))
    }

    fn is_same(&self, best: &Self, rules: &Rules) -> bool {
        let within = rules.indifference.ln_1p();
        self.difference(best).is_some_and(|of| of.below(within) - of.below(-within) > rules.confidence)
    }

    fn is_open(&self, best: &Self, rules: &Rules) -> bool {
        // What never ran is not known to be worse, whatever is predicted.
        let never = self.times.is_empty();
        never || (self.worse(best).is_none_or(|worse| worse < rules.confidence) && !self.is_same(best, rules))
    }

    /// What a run of this is predicted to take beyond one of the best.
    fn extra(&self, best: &Self) -> f64 {
        match self.mean {
            Some(_) => (self.median() - best.median()).max(0.0),
            None => UNKNOWN * best.median(),
        }
    }

    /// What the runs of this took beyond the best.
    fn beyond(&self, best: &Self) -> f64 {
        let beyond = self.times.iter().map(|time| time - best.median());
        beyond.sum::<f64>().max(0.0)
    }

    /// Why it is worth trying.
    fn doubt(&self, best: &Self) -> String {
        let Some(worse) = self.worse(best) else {
            return "nothing is known of it".to_owned();
        };
        let (own, other) = (seconds(self.median()), seconds(best.median()));
        let name = best.name;
        let (runs, others) = (runs(self.times.len()), runs(best.times.len()));
        let worse = worse * 100.0;
        format!(
            "`{}` takes {own} ({runs}), `{name}` {other} ({others}), and is better with a probability of {worse:.0} %",
            self.name
        )
    }

    /// Why the best is.
    fn proof(&self, arms: &[Self], rules: &Rules) -> String {
        let others = arms.iter().filter(|arm| arm.name != self.name);
        let one = |arm: &Self| {
            let worse = arm.worse(self).unwrap_or(0.0);
            let (time, of) = (seconds(arm.median()), runs(arm.times.len()));
            if worse < rules.confidence && arm.is_same(self, rules) {
                return format!("`{}` takes as long ({time}, {of})", arm.name);
            }
            format!(
                "`{}` takes {time} ({of}) and is worse with a probability of {:.0} %",
                arm.name,
                worse * 100.0
            )
        };
        let others: Vec<_> = others.map(one).collect();
        let own = match self.mean {
            Some(_) => format!("it takes {} ({})", seconds(self.median()), runs(self.times.len())),
            None => "nothing is known of it".to_owned(),
        };
        if others.is_empty() {
            format!("{own}, and there is no other")
        } else {
            format!("{own}, {}", others.join(", "))
        }
    }

    fn evidence(&self, best: &Self) -> Evidence {
        let low = (1.0 - LEVEL) / 2.0;
        let at = |mean: &StudentT, chance| mean.quantile(chance).exp();
        let interval = |mean: StudentT| Interval {
            low: at(&mean, low),
            median: mean.location.exp(),
            high: at(&mean, 1.0 - low),
        };
        Evidence {
            alternative: self.name.to_owned(),
            runs: self.times.len(),
            seconds: self.mean.map(interval),
            worse: if self.name == best.name { None } else { self.worse(best) },
        }
    }
}

fn runs(count: usize) -> String {
    match count {
        0 => "not yet run".to_owned(),
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    }
}
