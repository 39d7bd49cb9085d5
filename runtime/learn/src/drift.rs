//! Detects factories that have become slower or faster.
//!
//! Each measurement is compared with the prediction from the measurements before it, and converted to the score that is equally
//! rare in the standard normal distribution. Scores above and below [`SLACK`] are added up, each side in its own sum, and a sum
//! never falls below zero. When a sum exceeds [`LIMIT`], a change has happened, at the time at which the sum was last zero. This
//! is the two-sided CUSUM of Page (*Biometrika* 41, 1954; Montgomery, *Introduction to Statistical Quality Control*, chapter 9).
//! A single score counts as 4 at most, so that one bad run alone is no change.
//!
//! With these figures a steady factory raises a false alarm about once in 9,000 runs (Siegmund's approximation). A factory that
//! takes twice as long is found within about 4 runs if its times vary by 10 %, and within about 10 runs if they vary by 30 %.

#[cfg(test)]
mod tests;

use std::fmt;

use super::model::{Belief, Point, Posterior, SLOPE};

/// The deviation from zero, in standard deviations, from which on a score counts.
pub const SLACK: f64 = 0.5;

/// The sum of scores beyond which a change is reported.
pub const LIMIT: f64 = 8.0;

/// The minimum ratio of a change that is reported.
const WORTH_A_WORD: f64 = 1.1;

const MOST: f64 = 4.0;

/// The number of measurements before the first prediction.
const FEWEST: usize = 4;

/// One measurement, as logarithms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// The logarithm of the size, if it is known.
    pub(crate) size: Option<f64>,
    pub(crate) value: f64,
}

/// A change in a series of measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// The first measurement after the change.
    pub(crate) at: usize,
    /// The number of measurements on which the earlier prediction rests.
    pub(crate) from: usize,
    /// The ratio of the measured value to the predicted one.
    pub(crate) ratio: f64,
}

/// Finds the last change of a series, the oldest measurement first.
pub(crate) fn last_change(series: &[Measured]) -> Option<Change> {
    let mut last = None;
    let mut watch = Watch::since(0, series);
    for next in 0..series.len() {
        if let Some(change) = watch.see(next, series) {
            // Measurements since the change belong to the new state.
            let before = std::mem::replace(&mut watch, Watch::since(change.at, series));
            watch.suspected = [next + 1; 2];
            last = Some((change, before));
        }
        // A measurement is learned even if it is under suspicion, so that the scores stay independent of each other, as the sums
        // assume.
        watch.learn(next + 1, series);
    }
    // The ratio comes from all measurements since the change.
    last.map(|(change, before)| Change {
        ratio: before.ratio(change.at, &series[change.at..], series),
        ..change
    })
}

struct Watch {
    /// The first measurement of the current state.
    begin: usize,
    /// The first measurement that is not in the posterior.
    learned: usize,
    posterior: Posterior,
    centre: f64,
    /// The sums of the scores above and below.
    sums: [f64; 2],
    /// The measurement since which each sum is above zero.
    suspected: [usize; 2],
}

impl Watch {
    fn since(begin: usize, series: &[Measured]) -> Self {
        Self {
            begin,
            learned: begin,
            posterior: Posterior::new(Belief::with_slope(SLOPE)),
            centre: series.get(begin).and_then(|first| first.size).unwrap_or(0.0),
            sums: [0.0; 2],
            suspected: [begin; 2],
        }
    }

    fn x(&self, measured: &Measured) -> f64 {
        from_centre(measured, self.centre)
    }

    /// Learns the measurements before `end`.
    fn learn(&mut self, end: usize, series: &[Measured]) {
        for measured in &series[self.learned..end] {
            self.posterior.add(Point { x: self.x(measured), y: measured.value, weight: 1.0 });
        }
        self.learned = end;
    }

    fn see(&mut self, at: usize, series: &[Measured]) -> Option<Change> {
        if self.learned - self.begin < FEWEST {
            self.suspected = [at + 1; 2];
            return None;
        }
        let measured = &series[at];
        let score = self.posterior.next_at(self.x(measured)).normal_score(measured.value).clamp(-MOST, MOST);
        for (side, score) in [score, -score].into_iter().enumerate() {
            self.sums[side] = (self.sums[side] + score - SLACK).max(0.0);
            if self.sums[side] == 0.0 {
                self.suspected[side] = at + 1;
            }
            if self.sums[side] > LIMIT {
                return Some(self.change(self.suspected[side], at, series));
            }
        }
        None
    }

    /// Locates the change that is suspected since `since`: the place where a step explains most of the deviation from the
    /// prediction. The sum may have begun to rise by chance before it.
    fn change(&self, since: usize, until: usize, series: &[Measured]) -> Change {
        let beyond: Vec<f64> = self.beyond(since, &series[since..=until], series).collect();
        let (mut sum, mut most, mut at) = (0.0, 0.0, since);
        for (back, beyond) in beyond.iter().rev().enumerate() {
            sum += beyond;
            let explained = sum * sum / (back + 1) as f64;
            if explained > most {
                (most, at) = (explained, until - back);
            }
        }
        Change { at, from: at - self.begin, ratio: 1.0 }
    }

    /// The mean ratio of the measurements to the prediction from those before `since`.
    fn ratio(&self, since: usize, of: &[Measured], series: &[Measured]) -> f64 {
        (self.beyond(since, of, series).sum::<f64>() / of.len() as f64).exp()
    }

    fn beyond<'of>(
        &self,
        since: usize,
        of: &'of [Measured],
        series: &[Measured],
    ) -> impl Iterator<Item = f64> + use<'of> {
        let before = series[self.begin..since].iter();
        let before = before.map(|one| Point { x: self.x(one), y: one.value, weight: 1.0 });
        let before = Posterior::fit(Belief::with_slope(SLOPE), before);
        let centre = self.centre;
        of.iter().map(move |one| one.value - before.next_at(from_centre(one, centre)).location)
    }
}

fn from_centre(measured: &Measured, centre: f64) -> f64 {
    measured.size.map_or(0.0, |size| size - centre)
}

/// A factory whose time differs from its prediction.
///
/// ```
/// use setl_learn::Drift;
///
/// let drift = Drift { factory: "clean".into(), ratio: 2.31, from: 14, since: "0196".into(), runs: 3 };
/// assert_eq!(
///     drift.to_string(),
///     "`clean` takes 2.3 times what was predicted from 14 runs since run 0196, 3 runs ago"
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The factory.
    pub factory: String,
    /// The ratio of its time to the predicted time.
    pub ratio: f64,
    /// The number of runs on which the prediction rests.
    pub from: usize,
    /// The first run after the change.
    pub since: String,
    /// The number of runs since the change, including the first.
    pub runs: usize,
}

impl Drift {
    /// `true` if the change is large enough to be reported.
    pub(crate) fn is_worth_a_word(&self) -> bool {
        self.ratio.max(1.0 / self.ratio) >= WORTH_A_WORD
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { factory, ratio, from, since, runs } = self;
        let digits = usize::from(*ratio < 10.0) + usize::from(*ratio < 0.95);
        write!(
            f,
            "`{factory}` takes {ratio:.digits$} times what was predicted from {from} runs since run {since}"
        )?;
        match runs {
            0 | 1 => f.write_str(", the last"),
            runs => write!(f, ", {runs} runs ago"),
        }
    }
}
