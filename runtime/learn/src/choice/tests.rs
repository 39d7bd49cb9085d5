//! Choices that are made repeatedly, among alternatives whose times are known to the test.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::time::SystemTime;

use fastrand::Rng;

use super::*;
use crate::model::normal_draw;

fn alternatives(predicted: &[Option<f64>]) -> Vec<Alternative> {
    let names = ["a", "b", "c", "d"];
    let one = |(name, predicted): (&str, &Option<f64>)| Alternative {
        name: name.to_owned(),
        predicted: predicted.map(Interval::exactly),
    };
    names.into_iter().zip(predicted).map(one).collect()
}

/// The outcome of a series of runs.
struct Outcome {
    taken: Vec<usize>,
    /// The loss against always taking the best, in expected seconds.
    regret: f64,
    total: f64,
    trials: Vec<Trial>,
}

/// `means` gives the median time of each alternative in each run.
fn play(
    predicted: &[Option<f64>],
    runs: usize,
    noise: f64,
    seed: u64,
    means: impl Fn(usize) -> Vec<f64>,
) -> Outcome {
    let alternatives = alternatives(predicted);
    let mut random = Rng::with_seed(seed);
    let mut outcome = Outcome { taken: Vec::new(), regret: 0.0, total: 0.0, trials: Vec::new() };
    for run in 0..runs {
        let decision = choose("way", &alternatives, &outcome.trials, &Rules::default()).unwrap();
        let taken = alternatives.iter().position(|one| one.name == decision.alternative).unwrap();
        let means = means(run);
        let time = means[taken] * (noise * normal_draw(&mut random)).exp();
        outcome.regret += means[taken] - means.iter().copied().fold(f64::INFINITY, f64::min);
        outcome.total += time;
        outcome.taken.push(taken);
        let makespan = Duration::from_secs_f64(time);
        outcome.trials.push(Trial { alternative: decision.alternative, makespan, size: None });
    }
    outcome
}

fn share(taken: &[usize], of: usize) -> f64 {
    taken.iter().filter(|one| **one == of).count() as f64 / taken.len() as f64
}

#[test]
fn the_better_is_found_and_kept() {
    for seed in 0..5 {
        let outcome = play(&[Some(1.0), Some(1.0)], 200, 0.1, seed, |_| vec![1.3, 1.0]);
        assert!(share(&outcome.taken[50..], 1) > 0.95, "{seed}: {:?}", outcome.taken);
    }
}

#[test]
fn a_wrong_prediction_does_not_last() {
    // The better alternative is predicted to be worse by half.
    let outcome = play(&[Some(10.0), Some(15.0)], 200, 0.1, 1, |_| vec![10.0, 7.0]);
    assert!(share(&outcome.taken[60..], 1) > 0.95, "{:?}", outcome.taken);
    // No alternative has a prediction.
    let outcome = play(&[None, None, None], 300, 0.1, 2, |_| vec![10.0, 9.0, 6.0]);
    assert!(share(&outcome.taken[150..], 2) > 0.95, "{:?}", outcome.taken);
}

#[test]
fn regret_stays_within_the_budget_over_a_thousand_runs() {
    let games =
        [(Some(1.0), [1.0, 1.05]), (None, [1.0, 1.5]), (Some(1.0), [1.2, 1.0]), (Some(1.0), [1.0, 30.0])];
    for (seed, (predicted, means)) in (1..).zip(games) {
        let outcome = play(&[Some(1.0), predicted], 1000, 0.2, seed, |_| means.to_vec());
        // One trial may also take longer than predicted.
        let bound = 0.05 * outcome.total + means[0].max(means[1]);
        assert!(outcome.regret <= bound, "{means:?}: {} of {bound}", outcome.regret);
        if means[0].max(means[1]) > 1.1 {
            let best = usize::from(means[1] < means[0]);
            assert!(share(&outcome.taken[500..], best) > 0.97, "{means:?}: {:?}", &outcome.taken[500..]);
        }
    }
}

#[test]
fn it_changes_its_mind_after_drift() {
    for seed in 0..3 {
        let means = |run| if run < 300 { vec![1.0, 1.3] } else { vec![2.0, 1.3] };
        let outcome = play(&[Some(1.0), Some(1.3)], 600, 0.1, seed, means);
        assert!(share(&outcome.taken[100..300], 0) > 0.95, "{seed}");
        assert!(share(&outcome.taken[340..], 1) > 0.9, "{seed}: {:?}", &outcome.taken[300..]);
        assert!(outcome.regret < 0.05 * outcome.total + 2.0, "{seed}: {}", outcome.regret);
    }
}

#[test]
fn when_all_become_slower_the_better_stays() {
    let means = |run| if run < 300 { vec![1.0, 1.3] } else { vec![2.0, 2.6] };
    let outcome = play(&[Some(1.0), Some(1.3)], 600, 0.1, 3, means);
    assert!(share(&outcome.taken[380..], 0) > 0.95, "{:?}", &outcome.taken[300..]);
    assert!(outcome.regret < 0.05 * outcome.total);
}

#[test]
fn what_is_the_same_is_not_tried_for_ever() {
    let outcome = play(&[Some(1.0), Some(1.0)], 400, 0.01, 5, |_| vec![1.0, 1.0]);
    let last = choose("way", &alternatives(&[Some(1.0); 2]), &outcome.trials, &Rules::default()).unwrap();
    assert!(!last.tries && last.reason.contains("takes as long"), "{last}");
}

#[test]
fn sizes_are_taken_into_account() {
    // `a` runs on large days: it takes longer, and is better.
    let trials: Vec<_> = (0..20_u32)
        .map(|day| {
            let (name, size, rate) = if day % 2 == 0 { ("a", 1e7, 1e-6) } else { ("b", 1e6, 1.5e-6) };
            let size = size * f64::from(10 + day % 5) / 10.0;
            let makespan = Duration::from_secs_f64(size * rate);
            Trial { alternative: name.into(), makespan, size: Some(size) }
        })
        .collect();
    let decide =
        |trials: &[Trial]| choose("way", &alternatives(&[None; 2]), trials, &Rules::default()).unwrap();
    assert_eq!(decide(&trials).alternative, "a");
    let without: Vec<_> = trials.iter().map(|trial| Trial { size: None, ..trial.clone() }).collect();
    assert_eq!(decide(&without).alternative, "b");
}

#[test]
fn a_decision_says_why_and_is_the_same_each_time() {
    let few = play(&[Some(10.0), Some(12.0)], 3, 0.05, 6, |_| vec![10.0, 12.0]);
    let decide = |trials: &[Trial]| {
        choose("way", &alternatives(&[Some(10.0), Some(12.0)]), trials, &Rules::default()).unwrap()
    };
    let decision = decide(&few.trials);
    assert_eq!(decision, decide(&few.trials));
    assert_eq!((&*decision.alternative, decision.tries), ("a", false));
    for part in ["`way`: `a` is kept", "not yet run", "5 % of", "in 3 runs", "allowed"] {
        assert!(decision.reason.contains(part), "{part}: {decision}");
    }
    assert_eq!(decision.evidence[0].runs, 3);
    assert_eq!((decision.evidence[0].worse, decision.evidence[1].runs), (None, 0));
    let many = play(&[Some(10.0), Some(12.0)], 100, 0.05, 6, |_| vec![10.0, 12.0]);
    let decision = decide(&many.trials);
    assert!(decision.reason.contains("is worse with a probability of"), "{decision}");
    let tried = (0..100).map(|runs| decide(&many.trials[..runs])).find(|decision| decision.tries).unwrap();
    assert!(
        tried.reason.contains("`b` is tried") && tried.reason.contains("is predicted to cost"),
        "{tried}"
    );
}

#[test]
fn at_the_very_first_what_is_predicted_to_be_best_is_taken() {
    let first = |predicted: &[Option<f64>]| {
        choose("way", &alternatives(predicted), &[], &Rules::default()).unwrap().alternative
    };
    assert_eq!(first(&[Some(2.0), Some(1.0)]), "b");
    assert_eq!(first(&[None, Some(1.0)]), "b");
    assert_eq!(first(&[None, None]), "a");
    let error = choose("way", &[], &[], &Rules::default()).unwrap_err();
    assert_eq!(error.to_string(), "choice `way` has no alternatives: give it at least one");
}

#[test]
fn only_runs_that_differ_in_nothing_else_are_compared() {
    let run = |way: &str, other: &str, succeeded| {
        let mut run = RunRecord::new("", "", SystemTime::UNIX_EPOCH);
        run.strategy = [("way", way), ("other", other)].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        run.succeeded = succeeded;
        run
    };
    let runs = [run("a", "x", true), run("b", "y", true), run("b", "x", true), run("a", "x", false)];
    let trials = Trial::of_runs(&runs, "way", &runs[0].strategy);
    assert_eq!(trials.iter().map(|trial| &*trial.alternative).collect::<Vec<_>>(), ["a", "b"]);
}
