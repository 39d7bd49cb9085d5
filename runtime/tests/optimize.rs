//! Predictions for pipelines, from runs whose times are made up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, SystemTime};

use setl::optimize::simulate::{Costs, critical_path, upward_rank};
use setl::optimize::{
    Basis, Comparison, FactoryRecord, Graph, History, Prediction, Predictor, RunRecord, Sizes, simulate,
};
use setl::prelude::*;

#[factory]
fn read_small() -> u8 {
    1
}

#[factory]
fn read_large() -> u16 {
    2
}

#[factory]
fn join(small: u8, large: u16) -> u32 {
    u32::from(small) + u32::from(large)
}

#[factory]
fn report(join: u32) -> String {
    join.to_string()
}

#[pipeline(extract(read_small, read_large), transform(join), load(report))]
struct Nightly;

mod gated {
    use super::*;

    #[pipeline(#[barrier] extract(read_small, read_large), transform(join), load(report))]
    pub(super) struct Barred;
}

fn noise(random: &mut fastrand::Rng, deviation: f64) -> f64 {
    let sum: f64 = (0..12).map(|_| random.f64()).sum();
    (deviation * (sum - 6.0)).exp()
}

/// Two workers; reading takes 1 s for each 10 MB, joining as much for all that was read, reporting always 0.2 s.
fn run(day: usize, random: &mut fastrand::Rng) -> (RunRecord, Sizes) {
    let bytes = [10e6, 20e6 * (1.0 + random.f64())].map(|bytes| bytes as u64);
    let mut factory = |name: &str, bytes: u64, seconds: f64| {
        let wall = Duration::from_secs_f64(seconds * noise(random, 0.1));
        let mut record = FactoryRecord::new(name, "c0de", wall);
        (record.bytes_in, record.bytes_out) = (Some(bytes), Some(bytes / 2));
        record
    };
    let read = bytes[0] / 2 + bytes[1] / 2;
    let factories = vec![
        factory("read_small", bytes[0], bytes[0] as f64 * 1e-7),
        factory("read_large", bytes[1], bytes[1] as f64 * 1e-7),
        factory("join", read, read as f64 * 1e-7),
        factory("report", read / 2, 0.2),
    ];
    let seconds: Vec<f64> = factories.iter().map(|one| one.wall.as_secs_f64()).collect();
    let mut run = RunRecord::new(format!("r{day}"), "Nightly", SystemTime::UNIX_EPOCH);
    run.started += Duration::from_secs(day as u64 * 86_400);
    run.workers = 2;
    run.makespan = Duration::from_secs_f64(seconds[0].max(seconds[1]) + seconds[2] + seconds[3] + 0.1);
    run.factories = factories;
    (run, Sizes::new().bytes("read_small", bytes[0]).bytes("read_large", bytes[1]))
}

#[test]
fn a_barrier_holds_all_and_takes_no_worker() {
    let graph = Graph::of(gated::Barred::plan());
    assert_eq!((graph.factories(), graph.nodes()), (4, 5));
    let seconds = [1.0, 3.0, 1.0, 0.5];
    let costs = Costs { seconds: &seconds, priorities: &upward_rank(&graph, &seconds), bytes: &[] };
    let simulation = simulate(&graph, 2, costs);
    assert_eq!((simulation.makespan, simulation.start[2]), (4.5, 3.0));
    assert_eq!(critical_path(&graph, &seconds), [1, 2, 3]);
}

#[test]
fn with_a_history_predictions_hold_nine_times_in_ten() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::open(History::path_in(directory.path())).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let (mut held, mut of_factories) = (0, (0, 0));
    for day in 0..120 {
        let (mut run, sizes) = run(day, &mut random);
        let predictor = Predictor::new(&history, "Nightly").unwrap();
        let prediction = predictor.predict(Nightly::plan(), &sizes, 2);
        if day >= 20 {
            let comparison = Comparison::new(&prediction, &run);
            held += usize::from(comparison.held());
            let (inside, all) = comparison.coverage();
            of_factories = (of_factories.0 + inside, of_factories.1 + all);
            assert_eq!(prediction.basis, Basis::Observed(day));
        }
        for (record, predicted) in run.factories.iter_mut().zip(&prediction.factories) {
            record.predicted = Some(predicted.wall.interval());
        }
        run.predicted = Some(prediction);
        history.record(&run).unwrap();
    }
    assert!((83..=98).contains(&held), "{held} makespans of 100");
    let share = of_factories.0 as f64 / f64::from(of_factories.1 as u32);
    // With noise of only 10 %, rather too wide.
    assert!((0.85..=0.97).contains(&share), "{share} of the factories");
    let predictor = Predictor::new(&history, "Nightly").unwrap();
    assert_eq!(predictor.coverage().makespans.1, 120);
    assert_eq!(predictor.drifts(), []);
}

#[test]
fn sizes_go_down_the_plan() {
    let mut random = fastrand::Rng::with_seed(2);
    let runs = (0..40).map(|day| run(day, &mut random).0).collect();
    let predictor = Predictor::of_runs("Nightly", runs);
    let at = |bytes| {
        let sizes = Sizes::new().bytes("read_small", bytes / 3).bytes("read_large", bytes);
        predictor.predict(Nightly::plan(), &sizes, 2)
    };
    let (small, large) = (at(30_000_000), at(60_000_000));
    let join = |prediction: &Prediction| prediction.factories[2].wall;
    assert!((join(&small).median / 2.0 - 1.0).abs() < 0.1, "{small}");
    assert!((join(&large).median / 4.0 - 1.0).abs() < 0.2, "{large}");
    let read = large.factories[1].wall;
    assert!(join(&large).high / join(&large).low > read.high / read.low, "what it takes is not sure either");
    let critical: Vec<_> =
        large.factories.iter().filter(|one| one.critical).map(|one| &*one.factory).collect();
    assert_eq!(critical, ["read_large", "join", "report"]);
    let peak = small.peak_bytes.unwrap();
    assert!(peak.contains(30e6), "{small}");
}

#[test]
fn without_a_history_the_prior_predicts() {
    let predictor = Predictor::of_runs("Nightly", Vec::new());
    let prediction = predictor.predict(Nightly::plan(), &Sizes::new(), 2);
    assert_eq!((prediction.basis, prediction.peak_bytes), (Basis::Prior, None));
    assert!(prediction.makespan.high > 50.0 * prediction.makespan.low, "{prediction}");
    assert_eq!(prediction, predictor.predict(Nightly::plan(), &Sizes::new(), 2), "each time the same");
}

#[test]
fn a_prediction_is_a_table() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut runs: Vec<_> = (0..14).map(|day| run(day, &mut random).0).collect();
    for run in &mut runs {
        run.factories[2].in_query_of = Some("report".into());
    }
    let prediction = Predictor::of_runs("Nightly", runs).predict(Nightly::plan(), &Sizes::new(), 2);
    let text = prediction.to_string();
    for part in [
        "pipeline Nightly, 2 at once",
        "factory",
        "14 runs",
        "in the query of `report`",
        "critical",
        "makespan",
        "outputs held at once",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let json = serde_json::to_string(&prediction).unwrap();
    // Of the last digit JSON is not sure.
    assert_eq!(serde_json::from_str::<Prediction>(&json).unwrap().to_string(), text);
}
