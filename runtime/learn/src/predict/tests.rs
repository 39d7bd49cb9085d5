//! Tests of sizes and of the evidence of earlier runs.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::time::{Duration, SystemTime};

use fastrand::Rng;

use super::*;
use crate::history::{FactoryRecord, FactoryStatus, FileRecord, SubplanRecord};
use crate::model::normal_draw;

fn records(runs: usize, wall: impl Fn(usize) -> f64) -> Vec<RunRecord> {
    let run = |at: usize| {
        let mut run = RunRecord::new(format!("r{at}"), "Nightly", SystemTime::UNIX_EPOCH);
        run.factories = vec![FactoryRecord::new("clean", "c0", Duration::from_secs_f64(wall(at)))];
        run
    };
    (0..runs).map(run).collect()
}

fn clean(runs: Vec<RunRecord>) -> (Predictor, Estimate) {
    let predictor = Predictor::of_runs("Nightly", runs);
    let estimate = estimate(&predictor);
    (predictor, estimate)
}

fn estimate(predictor: &Predictor) -> Estimate {
    Models::of(&predictor.past(), "clean", &Size::default(), false).at(&Size::default()).wall.unwrap().1
}

#[test]
fn drift_is_told_and_what_was_before_counts_no_more() {
    let level = |at: usize| if at < 14 { 1.0 } else { 2.3 };
    let (predictor, estimate) = clean(records(19, |at| level(at) + 0.02 * (at % 3) as f64));
    assert_eq!(
        predictor.drifts().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["`clean` takes 2.3 times what was predicted from 14 runs since run r14, 5 runs ago"]
    );
    assert_eq!(estimate.basis, Basis::Observed(5));
    assert!((estimate.median - 2.32).abs() < 0.05, "{estimate:?}");
    let (predictor, estimate) = clean(records(60, |at| level(at) + 0.02 * (at % 3) as f64));
    assert_eq!(predictor.drifts(), [], "it is no news any more");
    assert_eq!(estimate.basis, Basis::Observed(46));
}

#[test]
fn only_what_succeeded_with_the_same_code_counts() {
    let mut runs = records(10, |_| 1.0);
    runs[3].factories[0].status = FactoryStatus::Failed;
    runs[4].factories[0].status = FactoryStatus::Restored;
    for run in &mut runs[..3] {
        run.factories[0].code = "old".into();
    }
    let (predictor, of_last) = clean(runs);
    assert_eq!(of_last.basis, Basis::Observed(5));
    let of_old = estimate(&predictor.clone().code("clean", "old"));
    let of_new = estimate(&predictor.code("clean", "new"));
    assert_eq!((of_old.basis, of_new.basis), (Basis::Observed(3), Basis::Prior));
    assert!((of_new.median - 1.0).abs() < 1e-6 && of_new.high > 2.0 * of_old.high);
}

#[test]
fn work_in_the_query_of_another_takes_no_time_there() {
    let mut runs = records(6, |_| 1.0);
    for run in &mut runs[3..] {
        let mut filter = FactoryRecord::new("filter", "f0", Duration::from_millis(1));
        filter.in_query_of = Some("clean".into());
        run.factories[0].wall = Duration::from_secs(3);
        run.factories.push(filter);
    }
    let (predictor, estimate) = clean(runs);
    assert_eq!(estimate.basis, Basis::Observed(3), "with as much in its query");
    assert!((estimate.median - 3.0).abs() < 1e-6);
    let filter = Models::of(&predictor.past(), "filter", &Size::default(), false).at(&Size::default());
    assert!(filter.wall.is_none() && filter.in_query_of.as_deref() == Some("clean"));
}

#[test]
fn what_factories_have_in_common_is_found() {
    let mut random = Rng::with_seed(1);
    let mut runs = |common: f64| {
        let run = |at: usize| {
            let mut run = RunRecord::new(format!("r{at}"), "Nightly", SystemTime::UNIX_EPOCH);
            let together = common * normal_draw(&mut random);
            run.factories = (0..8)
                .map(|factory| {
                    let wall = (together + 0.1 * normal_draw(&mut random)).exp();
                    FactoryRecord::new(format!("f{factory}"), "", Duration::from_secs_f64(wall))
                })
                .collect();
            run
        };
        Predictor::of_runs("Nightly", (0..100).map(run).collect::<Vec<_>>())
    };
    let (some, none) = (runs(0.2).past().common(), runs(0.0).past().common());
    assert!((some - 0.2).abs() < 0.05 && none < 0.03, "{some} {none}");
}

#[test]
fn a_shared_part_of_a_query_has_a_price() {
    let mut runs = records(4, |_| 1.0);
    for run in &mut runs[1..] {
        let wall = Duration::from_millis(200);
        let consumers = vec!["a".to_owned(), "b".to_owned()];
        run.subplans = vec![SubplanRecord {
            fingerprint: "s".into(),
            consumers,
            wall,
            rows: None,
            bytes: None,
            whole_of: Vec::new(),
        }];
    }
    let (predictor, _) = clean(runs);
    let price = predictor.subplan("s").unwrap();
    assert!(price.basis == Basis::Observed(3) && price.interval().contains(0.2) && price.high < 1.0);
    assert_eq!(predictor.subplan("t"), None);
}

#[test]
fn what_was_predicted_and_held_is_counted() {
    let mut runs = records(10, |at| if at == 0 { 9.0 } else { 1.0 });
    for run in &mut runs {
        run.factories[0].predicted = Some(Interval { low: 0.5, median: 1.0, high: 2.0 });
    }
    let coverage = Predictor::of_runs("Nightly", runs).coverage();
    assert_eq!(coverage, Coverage { makespans: (0, 0), factories: (9, 10) });
}

#[test]
fn the_log_of_a_sum_is_as_sure_as_its_parts_by_their_share() {
    let known = |median: f64, scale: f64| {
        let log = StudentT { location: median.ln(), scale, freedom: 50.0 };
        let bytes = Estimate { low: 0.0, median, high: 0.0, basis: Basis::Prior };
        Known { bytes: Some((log, bytes)), ..Known::default() }
    };
    let all = [known(300.0, 0.2), known(100.0, 0.4), Known::default()];
    let sum = Size::of_outputs(&[0, 1], &all).bytes.unwrap();
    assert!((sum.median - 400.0).abs() < 1e-9 && (sum.log_scale - 0.15_f64.hypot(0.1)).abs() < 1e-9);
    assert_eq!(Size::of_outputs(&[0, 2], &all).bytes.unwrap().median, 300.0, "one has no size");
    let with_files = |sizes: Sizes| sizes.of("join", &[0, 2], &all).bytes.map(|bytes| bytes.median);
    assert_eq!(with_files(Sizes::new().files("join", 50)), Some(350.0));
    assert_eq!(with_files(Sizes::new().bytes("join", 50)), Some(50.0), "all that it takes");
    let mut gone = Sizes::new();
    gone.look_up("join", Some(&[FileRecord { path: "/no/such/file".into(), bytes: 7 }]));
    assert_eq!(with_files(gone), None, "of a file that is not there nothing is known");
    assert_eq!(Size::of_outputs(&[], &all), Size::default());
}

#[test]
fn files_that_are_others_in_each_run_have_no_size() {
    let directory = tempfile::tempdir().unwrap();
    let sizes = |days: [&str; 2]| {
        let mut runs = records(2, |_| 1.0);
        for (run, day) in runs.iter_mut().zip(days) {
            std::fs::write(directory.path().join(day), day).unwrap();
            run.factories[0].files = vec![FileRecord { path: directory.path().join(day), bytes: 7 }];
        }
        Predictor::of_runs("Nightly", runs).present_sizes(Sizes::new()).of("clean", &[], &[]).bytes
    };
    assert_eq!(sizes(["day", "day"]).unwrap().median, 3.0);
    assert_eq!(sizes(["monday", "tuesday"]), None, "which is still there, and is not what is read next");
}

fn predicted(walls: [(f64, f64, usize); 3], makespan: (f64, f64, usize)) -> Prediction {
    let factory = |(at, (low, high, runs)): (usize, (f64, f64, usize))| FactoryPrediction {
        factory: ["read", "clean", "show"][at].to_owned(),
        wall: Estimate { low, median: (low * high).sqrt(), high, basis: Basis::of(runs) },
        bytes_in: None,
        rows_out: None,
        bytes_out: None,
        start: at as f64,
        priority: 0.0,
        critical: false,
        in_query_of: None,
    };
    let (low, high, runs) = makespan;
    Prediction {
        pipeline: "Nightly".into(),
        workers: 2,
        makespan: Interval { low, median: (low * high).sqrt(), high },
        peak_bytes: Some(Interval { low: 1.0, median: 9.0, high: 99.0 }),
        basis: Basis::of(runs),
        factories: walls.into_iter().enumerate().map(factory).collect(),
        batches: Vec::new(),
    }
}

#[test]
fn a_prediction_that_is_of_no_use_is_not_shown_as_a_number() {
    // A known interval, one that is too wide, and one from too few runs.
    let some = predicted([(1.0, 4.0, 3), (1.0, 4.1, 9), (1.0, 1.2, 2)], (2.0, 7.0, 3)).to_string();
    let words = |name: &str| {
        let line = some.lines().find(|line| line.contains(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(words("read"), "read 0 µs 2.00 s (1.00 to 4.00) 3 runs");
    assert_eq!(words("clean"), "clean 1.00 s not known yet 9 runs");
    assert_eq!(words("show"), "show not known yet 2 runs", "nor is its start");
    assert!(some.contains("makespan 3.74 s (2.00 to 7.00), from 3 runs") && !some.contains("held"), "{some}");

    let none = predicted([(1.0, 4.0, 2), (1.0, 1.0, 1), (0.0, 1.0, 0)], (1.0, 2.0, 0)).to_string();
    assert_eq!(none, "pipeline Nightly, 2 at once\nnot known yet: 2 runs so far, and 3 are needed");
}

#[test]
fn what_was_not_known_is_not_compared() {
    let mut run = RunRecord::new("01", "Nightly", SystemTime::UNIX_EPOCH);
    run.makespan = Duration::from_secs(30);
    run.factories =
        ["read", "clean", "show"].map(|name| FactoryRecord::new(name, "", Duration::from_secs(9))).into();
    let compared = |makespan| {
        let prediction = predicted([(1.0, 2.0, 3), (5.0, 10.0, 4), (1.0, 99.0, 5)], makespan);
        Comparison::new(&prediction, &run).to_string()
    };
    let rest = "; 1 of 2 factories as predicted\n`read`: predicted 1.41 s (1.00 to 2.00), took 9.00 s";
    let too_few = "took 30.0 s, and was not predicted yet: 1 run so far, and 3 are needed";
    assert_eq!(compared((1.0, 2.0, 1)), format!("{too_few}{rest}"));
    let too_wide = "took 30.0 s, and was not predicted yet: the runs so far differ too much";
    assert_eq!(compared((1.0, 9.0, 5)), format!("{too_wide}{rest}"));
    assert_eq!(compared((20.0, 45.0, 5)), format!("predicted 30.0 s (20.0 to 45.0), took 30.0 s{rest}"));
}
