//! What has become slower or faster than it was.
//!
//! Each measurement is compared with what those before it predict, as the score that is as rare in the standard normal
//! distribution. Scores above and below [`SLACK`] add up, each side for itself, and never below nothing; when a sum exceeds
//! [`LIMIT`], something has changed at the time at which the sum last was nothing. This is the two-sided CUSUM of Page
//! (*Biometrika* 41, 1954; Montgomery, *Introduction to Statistical Quality Control*, chapter 9). A single score counts
//! as 4 at most, so that one bad run alone is no change.
//!
//! With these figures a steady factory is suspected wrongly about once in 9,000 runs (Siegmund's approximation), while one that
//! takes twice as long is found within about 4 runs when its times vary by 10 %, and within some 10 when they vary by 30 %.

#[cfg(test)]
mod tests;

use std::fmt;

use super::model::{Belief, Point, Posterior, SLOPE};

/// How far a score is from zero, in standard deviations, before it counts.
pub const SLACK: f64 = 0.5;

/// Beyond this sum of scores, something has changed.
pub const LIMIT: f64 = 8.0;

/// What changes by less is not worth a word.
const WORTH_A_WORD: f64 = 1.1;

const MOST: f64 = 4.0;

/// Before so many measurements, nothing is expected.
const FEWEST: usize = 4;

/// One measurement, as logarithms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Of the size, if it is known.
    pub(crate) size: Option<f64>,
    pub(crate) value: f64,
}

/// Where a series of measurements has changed its ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// The first measurement of the new ways.
    pub(crate) at: usize,
    /// From so many measurements before it was predicted otherwise.
    pub(crate) from: usize,
    /// How many times what was predicted.
    pub(crate) ratio: f64,
}

/// The last change of a series, the oldest measurement first.
pub(crate) fn last_change(series: &[Measured]) -> Option<Change> {
    let mut last = None;
    let mut watch = Watch::since(0, series);
    for next in 0..series.len() {
        if let Some(change) = watch.see(next, series) {
            // What has been seen since the change belongs to the new ways.
            let before = std::mem::replace(&mut watch, Watch::since(change.at, series));
            watch.suspected = [next + 1; 2];
            last = Some((change, before));
        }
        // Even if it is under suspicion: so the scores stay independent of each other, as the sums take them to be.
        watch.learn(next + 1, series);
    }
    // With all that has been measured since.
    last.map(|(change, before)| Change {
        ratio: before.ratio(change.at, &series[change.at..], series),
        ..change
    })
}

struct Watch {
    /// The first measurement of these ways.
    begin: usize,
    /// The first that is not in the posterior.
    learned: usize,
    posterior: Posterior,
    centre: f64,
    /// Above and below.
    sums: [f64; 2],
    /// Since when each sum is more than nothing.
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

    /// Learns up to a measurement, without it.
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

    /// Where it has changed that was suspected `since`: where a step explains most of what is beyond the prediction. The sum
    /// may have begun to rise by chance before.
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

    /// By how much measurements exceed, on average, what was predicted from those before `since`.
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

/// A factory that departs from what was predicted of it.
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
    /// How many times the predicted time it takes.
    pub ratio: f64,
    /// From so many runs it was predicted.
    pub from: usize,
    /// The first run of the new ways.
    pub since: String,
    /// How many runs there have been since, that one among them.
    pub runs: usize,
}

impl Drift {
    /// Whether it is more than a trifle.
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
