//! Decides during a run between ways to do a part of it, from their costs in earlier runs.
//!
//! Each part has its own evidence, identified by the fingerprint of its plan and by the factories that wait for it. The choice
//! follows from [`choose`], whose bound on the regret holds for each part, and so for all of them together. The way that was
//! taken, its cost and the reason are added to the history with the run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::choice::{Alternative, Evidence, Rules, Trial, choose};
use super::history::{ChoiceRecord, ChoiceRun};
use super::model::{Interval, seconds};

/// The number of the latest executions of a part that are considered.
const LAST: usize = 100;

/// Two ways to do a part of a run.
#[derive(Clone, Debug)]
pub struct Question {
    /// The name of the choice.
    pub choice: &'static str,
    /// The fingerprint of the plan.
    pub fingerprint: String,
    /// The factories that wait for the part.
    pub factories: Vec<String>,
    /// The way that is estimated to take less time, and the other one.
    pub ways: [&'static str; 2],
    /// The estimated time of the second way, as a multiple of that of the first.
    pub ratio: f64,
    /// The size of the input in bytes, if it is known.
    pub size: Option<u64>,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug)]
pub struct Advice {
    question: Question,
    /// The way to take.
    pub way: &'static str,
    /// `true` if this way is taken to learn more.
    pub tries: bool,
    /// The reason, as in "in 4 of 4 runs it took 12 ms, against 31 ms".
    pub because: String,
}

/// The evidence of earlier runs, and the measurements of this run.
#[derive(Debug, Default)]
pub struct Advisor {
    past: BTreeMap<String, Vec<Trial>>,
    rules: Rules,
    made: Mutex<Vec<ChoiceRecord>>,
    /// The cost of each way, in place of the measured time, so that no test depends on a clock.
    #[doc(hidden)]
    pub pretended: Option<fn(&str) -> Duration>,
}

impl Advisor {
    /// Creates an advisor from earlier choices, the oldest first.
    pub fn of(choices: Vec<ChoiceRun>) -> Self {
        let mut past: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for ChoiceRun { record, .. } in choices {
            past.entry(name(&record.choice, &record.fingerprint, &record.factories)).or_default().push(
                Trial {
                    alternative: record.alternative,
                    makespan: record.wall,
                    size: record.size.map(|size| size as f64),
                },
            );
        }
        for trials in past.values_mut() {
            trials.drain(..trials.len().saturating_sub(LAST));
        }
        Self { past, ..Self::default() }
    }

    /// Decides which way to take this time.
    pub fn decide(&self, question: Question) -> Advice {
        let name = name(question.choice, &question.fingerprint, &question.factories);
        let trials = self.past.get(&name).map_or(&[][..], Vec::as_slice);
        let [first, second] = question.ways;
        // The measured time of one way, together with the estimated ratio, gives the predicted time of the other.
        let medians = question.ways.map(|way| median(way, trials));
        let predicted = [
            medians[0].or(medians[1].map(|other| other / question.ratio)),
            medians[1].or(medians[0].map(|other| other * question.ratio)),
        ];
        let alternatives = [(first, predicted[0]), (second, predicted[1])].map(|(way, seconds)| {
            Alternative { name: way.to_owned(), predicted: seconds.map(Interval::exactly) }
        });
        let Ok(decision) = choose(question.choice, &alternatives, trials, &self.rules) else {
            unreachable!("there are two")
        };
        let way = if decision.alternative == second { second } else { first };
        let because = match trials.is_empty() {
            true => "as is guessed, since nothing was measured yet".to_owned(),
            false => because(way, decision.tries, &decision.evidence, self.rules.budget),
        };
        Advice { question, way, tries: decision.tries, because }
    }

    /// Adds the measured time of a way.
    pub fn measured(&self, advice: Advice, wall: Duration) {
        let wall = self.pretended.map_or(wall, |pretended| pretended(advice.way));
        let Advice { question, way, tries, because } = advice;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(ChoiceRecord {
            choice: question.choice.to_owned(),
            fingerprint: question.fingerprint,
            factories: question.factories,
            alternative: way.to_owned(),
            tried: tries,
            wall,
            size: question.size,
            because,
        });
    }

    /// The choices of this run, in an order that does not depend on which query was faster.
    pub fn made(&self) -> Vec<ChoiceRecord> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        made.sort_by(|a, b| (&a.factories, &a.fingerprint).cmp(&(&b.factories, &b.fingerprint)));
        made
    }
}

fn name(choice: &str, fingerprint: &str, factories: &[String]) -> String {
    format!("{choice} of {fingerprint} for {}", factories.join(", "))
}

/// The median of the latest times of a way, in seconds, scaled to the size of the latest of all trials.
fn median(way: &str, trials: &[Trial]) -> Option<f64> {
    let last = trials.last()?.size;
    let own = trials.iter().rev().filter(|trial| trial.alternative == way).take(10);
    let mut times: Vec<f64> = own
        .map(|trial| match (trial.size, last) {
            (Some(size), Some(last)) if size > 0.0 => trial.makespan.as_secs_f64() * last / size,
            _ => trial.makespan.as_secs_f64(),
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

/// The evidence in words.
fn because(way: &str, tries: bool, evidence: &[Evidence], budget: f64) -> String {
    let took = |one: &Evidence| seconds(one.seconds.map_or(0.0, |seconds| seconds.median));
    let runs = |one: &Evidence| if one.runs == 1 { "1 run".to_owned() } else { format!("{} runs", one.runs) };
    let (own, others): (Vec<_>, Vec<_>) = evidence.iter().partition(|one| one.alternative == way);
    let [own, other] = [&own, &others].map(|of| of.first().copied());
    let (Some(own), Some(other)) = (own, other) else { return String::new() };
    let name = &other.alternative;
    match (own.runs, other.runs) {
        (0, 0) => "since something has changed, and nothing was measured since".to_owned(),
        (0, _) => format!(
            "tried, since it is guessed to take {}, and {name} took {} in {}",
            took(own),
            took(other),
            runs(other)
        ),
        (_, 0) => format!(
            "since it took {} in {}; {name} is guessed to take {}, and trying may cost no more than {:.0} % of all",
            took(own),
            runs(own),
            took(other),
            budget * 100.0
        ),
        _ if tries => format!(
            "tried, since it is not clear which is better: it took {} in {}, {name} {} in {}",
            took(own),
            runs(own),
            took(other),
            runs(other)
        ),
        _ => format!(
            "since it took {} in {}, and {name} {} in {}",
            took(own),
            runs(own),
            took(other),
            runs(other)
        ),
    }
}

#[cfg(test)]
mod tests {
    //! Runs in a row, whose times are known to the test.

    #![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

    use std::time::SystemTime;

    use super::*;
    use crate::{History, RunRecord};

    fn question(ratio: f64, size: Option<u64>) -> Question {
        Question {
            choice: "engine",
            fingerprint: "f1".into(),
            factories: vec!["revenue".into()],
            ways: ["in memory", "streaming"],
            ratio,
            size,
        }
    }

    /// Plays `runs` runs, each with the history of those before it. Returns the decisions.
    fn play(ratio: f64, runs: u32, times: impl Fn(u32, &str) -> f64) -> Vec<Advice> {
        let directory = tempfile::tempdir().unwrap();
        let history = History::open(History::path_in(directory.path())).unwrap();
        let one = |run: u32| {
            let advisor = Advisor::of(history.choices("Shop", 200).unwrap());
            let advice = advisor.decide(question(ratio, None));
            advisor.measured(advice.clone(), Duration::from_secs_f64(times(run, advice.way)));
            let started = SystemTime::UNIX_EPOCH + Duration::from_secs(run.into());
            let mut record = RunRecord::new(run.to_string(), "Shop", started);
            record.choices = advisor.made();
            history.record(&record).unwrap();
            advice
        };
        (0..runs).map(one).collect()
    }

    /// A measurement error of up to 4 %.
    fn noise(run: u32) -> f64 {
        1.0 + 0.01 * f64::from(run * 7 % 5)
    }

    #[test]
    fn a_wrong_guess_is_given_up_within_a_few_runs() {
        let taken = play(1.1, 12, |run, way| noise(run) * if way == "in memory" { 0.031 } else { 0.012 });
        assert_eq!((taken[0].way, taken[0].tries), ("in memory", false));
        assert_eq!(taken[0].because, "as is guessed, since nothing was measured yet");
        assert!(taken[1].because.contains("streaming is guessed to take 34.1 ms"), "{}", taken[1].because);
        let first = taken.iter().position(|advice| advice.way == "streaming").unwrap();
        assert!(first <= 3 && taken[first].tries, "{taken:#?}");
        assert!(
            taken[first].because.starts_with("tried, since it is guessed to take"),
            "{}",
            taken[first].because
        );
        assert!(taken[8..].iter().all(|advice| advice.way == "streaming" && !advice.tries), "{taken:#?}");
        let last = &taken[11].because;
        assert!(last.starts_with("since it took 12.") && last.contains("in memory 31."), "{last}");
    }

    #[test]
    fn a_right_guess_stays_and_trying_costs_little() {
        let time = |run, way: &str| noise(run) * if way == "in memory" { 1.0 } else { 2.0 };
        let taken = play(1.5, 100, time);
        let lost: f64 = taken.iter().filter(|advice| advice.way == "streaming").count() as f64;
        let total: f64 = (0..100).zip(&taken).map(|(run, advice)| time(run, advice.way)).sum();
        assert!(lost >= 1.0, "it was tried");
        // One trial may also take longer than predicted.
        assert!(lost <= 0.05 * total + 0.5, "{lost} of {total}");
        assert!(taken[90..].iter().all(|advice| advice.way == "in memory"));
    }

    #[test]
    fn when_the_better_becomes_the_worse_it_is_noticed() {
        let time = |run, way: &str| match (way, run < 40) {
            ("in memory", true) => 1.0 * noise(run),
            ("in memory", false) => 3.0 * noise(run),
            _ => 1.3 * noise(run),
        };
        let taken = play(1.1, 80, time);
        assert!(taken[20..40].iter().filter(|advice| advice.way == "in memory").count() >= 18);
        assert!(taken[60..].iter().all(|advice| advice.way == "streaming"), "{:#?}", &taken[40..]);
    }

    #[test]
    fn more_data_is_not_taken_for_a_worse_way() {
        let chosen = |run: u64| {
            // Streaming was tried on large days only.
            let (way, size) =
                if run.is_multiple_of(3) { ("streaming", 9_000_000) } else { ("in memory", 1_000_000 + run) };
            let per_byte = if way == "streaming" { 1e-7 } else { 2e-7 };
            let advisor = Advisor::default();
            let advice =
                Advice { question: question(1.0, Some(size)), way, tries: false, because: String::new() };
            advisor.measured(advice, Duration::from_secs_f64(size as f64 * per_byte));
            ChoiceRun {
                run_id: run.to_string(),
                started: SystemTime::UNIX_EPOCH,
                record: advisor.made().remove(0),
            }
        };
        let advisor = Advisor::of((0..30).map(chosen).collect());
        assert_eq!(advisor.decide(question(1.0, Some(2_000_000))).way, "streaming");
        let other = Question { factories: vec!["other".into()], ..question(1.0, None) };
        assert_eq!(advisor.decide(other).way, "in memory", "of others nothing is known");
    }
}
