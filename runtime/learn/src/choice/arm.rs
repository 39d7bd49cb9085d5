//! The evidence about each alternative.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Alternative, Evidence, HALF_LIFE, PREDICTION, Rules, Trial, UNKNOWN};
use crate::drift::{Measured, last_change};
use crate::model::{Belief, Interval, LEVEL, Point, Posterior, SLOPE, StudentT, seconds};

/// An alternative with its evidence.
pub(super) struct Arm<'arm> {
    pub(super) name: &'arm str,
    /// The times of its runs since the last change, in seconds, scaled to one size.
    pub(super) times: Vec<f64>,
    /// The distribution of the mean of the logarithm of its time, if anything is known.
    pub(super) mean: Option<StudentT>,
}

/// The alternatives with their evidence, and the cost of trials before the last change, in seconds.
pub(super) fn arms<'arm>(alternatives: &'arm [Alternative], trials: &[Trial]) -> (Vec<Arm<'arm>>, f64) {
    let series = Series { trials, logs: at_one_size(trials) };
    let since = series.last_change(alternatives, trials.len());
    let arm = |alternative: &'arm Alternative| {
        let (before, own): (Vec<_>, Vec<_>) =
            series.of(&alternative.name, 0..trials.len()).into_iter().partition(|(at, _)| *at < since);
        // Measurements before the change are better evidence than a prediction.
        let last = &before[before.len().saturating_sub(10)..];
        let before =
            (!last.is_empty()).then(|| last.iter().map(|(_, log)| log).sum::<f64>() / last.len() as f64);
        let predicted = alternative.predicted.map(|predicted| predicted.median.max(1e-9).ln());
        let mean = mean(before.or(predicted), &own);
        Arm { name: &alternative.name, times: own.iter().map(|(_, log)| log.exp()).collect(), mean }
    };
    (alternatives.iter().map(arm).collect(), series.lost(alternatives, since))
}

/// All trials, with the logarithms of their times.
struct Series<'trials> {
    trials: &'trials [Trial],
    logs: Vec<f64>,
}

impl Series<'_> {
    /// The trials of one alternative, each with its place and the logarithm of its time.
    fn of(&self, name: &str, places: Range<usize>) -> Vec<(usize, f64)> {
        let own = places.filter(|&at| self.trials[at].alternative == name);
        own.map(|at| (at, self.logs[at])).collect()
    }

    /// The place of the last change of any alternative before `end`.
    fn last_change(&self, alternatives: &[Alternative], end: usize) -> usize {
        let changes = alternatives.iter().filter_map(|alternative| {
            let own = self.of(&alternative.name, 0..end);
            let measured: Vec<_> = own.iter().map(|&(_, value)| Measured { size: None, value }).collect();
            last_change(&measured).map(|change| own[change.at].0)
        });
        changes.max().unwrap_or(0)
    }

    /// The time that was lost before `end` because the best alternative was not always taken. Each period between two changes
    /// counts on its own.
    fn lost(&self, alternatives: &[Alternative], mut end: usize) -> f64 {
        let mut lost = 0.0;
        while end > 0 {
            let since = self.last_change(alternatives, end);
            let times = alternatives.iter().map(|alternative| {
                let own = self.of(&alternative.name, since..end);
                (own.len() as f64, own.iter().map(|(_, log)| log.exp()).sum::<f64>())
            });
            let times: Vec<_> = times.filter(|(count, _)| *count > 0.0).collect();
            let best = times.iter().map(|(count, sum)| sum / count).fold(f64::INFINITY, f64::min);
            lost += times.iter().map(|(count, sum)| sum - count * best).sum::<f64>();
            end = since;
        }
        lost
    }
}

/// The mean of the logarithm, from the expected value and the measurements.
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

/// The logarithms of the makespans; if all sizes are known, scaled to the size of the last run. The growth of the time with the
/// size is learned from the runs of each alternative; a slope of 1 is the prior, with a weight of 0.2 measurements.
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
    pub(super) fn location(&self) -> f64 {
        self.mean.map_or(f64::INFINITY, |mean| mean.location)
    }

    fn median(&self) -> f64 {
        self.mean.map_or(0.0, |mean| mean.location.exp())
    }

    /// The difference between the mean of this alternative and that of the best, with Welch's degrees of freedom.
    fn difference(&self, best: &Self) -> Option<StudentT> {
        let (own, other) = (self.mean?, best.mean?);
        let (a, b) = (own.scale * own.scale, other.scale * other.scale);
        let freedom = (a + b) * (a + b) / (a * a / own.freedom + b * b / other.freedom);
        Some(StudentT { location: own.location - other.location, scale: (a + b).sqrt(), freedom })
    }

    /// The probability that the best is better.
    fn worse(&self, best: &Self) -> Option<f64> {
        self.difference(best).map(|difference| 1.0 - difference.below(0.0))
    }

    fn is_same(&self, best: &Self, rules: &Rules) -> bool {
        let within = rules.indifference.ln_1p();
        self.difference(best).is_some_and(|of| of.below(within) - of.below(-within) > rules.confidence)
    }

    pub(super) fn is_open(&self, best: &Self, rules: &Rules) -> bool {
        // An alternative that never ran is not known to be worse, whatever its prediction says.
        let never = self.times.is_empty();
        never || (self.worse(best).is_none_or(|worse| worse < rules.confidence) && !self.is_same(best, rules))
    }

    /// The predicted time that a run of this alternative takes beyond a run of the best.
    pub(super) fn extra(&self, best: &Self) -> f64 {
        match self.mean {
            Some(_) => (self.median() - best.median()).max(0.0),
            None => UNKNOWN * best.median(),
        }
    }

    /// The time that the runs of this alternative took beyond the best.
    pub(super) fn beyond(&self, best: &Self) -> f64 {
        let beyond = self.times.iter().map(|time| time - best.median());
        beyond.sum::<f64>().max(0.0)
    }

    /// The reason to try this alternative.
    pub(super) fn doubt(&self, best: &Self) -> String {
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

    /// The reason to take the best alternative.
    pub(super) fn proof(&self, arms: &[Self], rules: &Rules) -> String {
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

    pub(super) fn evidence(&self, best: &Self) -> Evidence {
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
