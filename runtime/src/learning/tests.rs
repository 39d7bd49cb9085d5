//! Tests of the learning part of a report.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use super::*;
use crate::optimize::{Basis, Interval, RevisedPrediction};
use setl_learn::model::Quantity;

fn drift(factory: &str) -> Drift {
    let mut runs = Vec::new();
    for day in 0..20_u64 {
        let mut run = RunRecord::new(format!("day-{day}"), "Nightly", SystemTime::UNIX_EPOCH);
        let slow = if day < 14 { 1.0 } else { 3.0 };
        let wall = Duration::from_secs_f64(slow * (1.0 + 0.01 * (day % 3) as f64));
        run.factories = vec![FactoryRecord::new(factory, "", wall)];
        runs.push(run);
    }
    Predictor::of_runs("Nightly", runs).drifts().remove(0)
}

fn adaptation(brought_forward: Option<(String, String)>) -> Adaptation {
    let anew = RevisedPrediction { factory: "join".into(), before: 0.0155, now: 0.000_283 };
    Adaptation {
        factory: "read".into(),
        after: Duration::from_secs(1),
        quantity: Quantity::RowsOut,
        predicted: 10.0,
        measured: 100.0,
        revised_predictions: vec![anew],
        brought_forward,
    }
}

/// Every possible item, each with several lines or several of its kind.
fn all() -> LearningReport {
    let mut run = RunRecord::new("01", "Nightly", SystemTime::UNIX_EPOCH);
    run.makespan = Duration::from_secs(9);
    let mut factories = Vec::new();
    for at in 0..9 {
        let name = format!("factory_{at}");
        run.factories.push(FactoryRecord::new(&*name, "", Duration::from_secs(50)));
        factories.push(name);
    }
    let prediction = Prediction {
        pipeline: "Nightly".into(),
        workers: 2,
        makespan: Interval { low: 4.0, median: 6.0, high: 8.0 },
        peak_bytes: None,
        basis: Basis::Observed(5),
        factories: Vec::new(),
        batches: Vec::new(),
    };
    let keeping = |factory: &str| -> CacheDecision {
        let because = "it takes\nlong";
        let keeping =
            serde_json::json!({ "factory": factory, "is_kept": true, "compute": 9.0, "because": because });
        serde_json::from_value(keeping).unwrap()
    };
    LearningReport {
        comparison: Some(Comparison::new(&prediction, &run)),
        prediction: Some(prediction),
        adaptations: vec![adaptation(None), adaptation(Some(("a".into(), "b".into())))],
        drifts: vec![drift("clean"), drift("join")],
        recommendations: Vec::new(),
        cache_decisions: vec![keeping("clean"), keeping("join")],
        set_aside: Some("/state/history.sqlite.damaged-1".into()),
        history_error: None,
    }
}

#[test]
fn a_report_has_at_most_two_lines_of_learning() {
    let brief = all().in_brief();
    let lines: Vec<_> = brief.lines().collect();
    assert_eq!(lines.len(), 2, "{brief}");
    assert_eq!(lines[0], "predicted 6.00 s (4.00 to 8.00), took 9.00 s");
    assert!(
        lines[1].starts_with("the history was damaged")
            && lines[1].ends_with("(and 5 more: `learned()` of the report)")
    );
    let failed = LearningReport { history_error: Some("it is locked\nby another".into()), ..all() };
    assert_eq!(failed.in_brief().lines().count(), 2);
    assert!(failed.in_brief().starts_with("nothing was learned: it is locked\nthe history"), "{failed}");
}

#[test]
fn an_order_that_stays_is_not_told_in_a_report() {
    let of = |adaptation| LearningReport {
        adaptations: vec![adaptation],
        drifts: Vec::new(),
        cache_decisions: Vec::new(),
        set_aside: None,
        ..all()
    };
    assert_eq!(of(adaptation(None)).in_brief().lines().count(), 1);
    assert!(of(adaptation(None)).to_string().contains("the order stays"), "`learned()` has it");
    let moved = of(adaptation(Some(("a".into(), "b".into())))).in_brief();
    assert!(moved.ends_with("`a` is to start before `b`"), "{moved}");
}

#[test]
fn a_record_has_the_words_of_the_report() {
    let statuses = [
        Status::Succeeded,
        Status::Restored,
        Status::Cached,
        Status::Merged,
        Status::Skipped,
        Status::Failed,
        Status::Cancelled,
        Status::NotRun,
        Status::NotSelected,
    ];
    for status in statuses {
        assert_eq!(FactoryStatus::from(status).to_string(), status.to_string());
    }
}
