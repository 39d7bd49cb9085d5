#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod job;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::checkpoint::store_tests::code_of;
use crate::checkpoint::{Fingerprinted as _, Persistence, fingerprint_of};
use job::{DISCARDED, Job, KEPT, Outcome, VOLATILE, job};

/// Runs a job that fails at the end, applies `change`, and resumes it. Checks which factories run, and why.
#[track_caller]
fn check(
    prepare: impl FnOnce(&mut Job),
    change: impl FnOnce(&mut Job),
    ran: &[&str],
    reasons: &[(&str, &str)],
) -> Outcome {
    let mut job = job();
    prepare(&mut job);
    assert_eq!(job.go(false).ran.len(), 4);
    change(&mut job);
    job.fails = None;
    let resumed = job.go(true);
    assert_eq!(resumed.ran, ran);
    let directory = format!("{}/", job.state.path().display());
    let found: Vec<_> =
        resumed.reasons.iter().map(|(name, why)| (name.clone(), why.replace(&directory, ""))).collect();
    let expected: Vec<_> =
        reasons.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect();
    assert_eq!(found, expected);
    // A successful run leaves nothing, and the next run, which runs all factories, has the same result.
    let again = job.go(true);
    assert_eq!(again.ran.len(), 4);
    assert_eq!(again.outputs[&3], resumed.outputs[&3]);
    resumed
}

#[test]
fn without_a_change_only_what_is_left_runs() {
    check(|_| {}, |_| {}, &["Report"], &[]);
}

#[test]
fn a_run_that_starts_afresh_runs_all() {
    let mut job = job();
    job.go(false);
    assert_eq!(job.go(false).ran.len(), 4);
    assert_eq!(job.go(true).ran, ["Report"]);
}

#[test]
fn changed_code_runs_again_with_all_below() {
    let below = ("Joined", "what it takes from `Clean` has changed");
    check(
        |_| {},
        |job| job.codes[0] = 9,
        &["Rates", "Clean", "Joined", "Report"],
        &[below, ("Rates", "its code has changed")],
    );
    check(|_| {}, |job| job.codes[1] = 9, &["Clean", "Joined", "Report"], &[below]);
    check(
        |_| {},
        |job| job.codes[2] = 9,
        &["Clean", "Joined", "Report"],
        &[("Joined", "its code has changed")],
    );
    check(|_| {}, |job| job.codes[3] = 9, &["Report"], &[]);
}

#[test]
fn a_changed_input_runs_again_with_all_below() {
    let reasons =
        [("Joined", "what it takes from `Clean` has changed"), ("Rates", "input `min_delay` has changed")];
    check(|_| {}, |job| job.input = 11, &["Rates", "Clean", "Joined", "Report"], &reasons);
}

#[test]
fn a_changed_file_runs_again_with_all_below() {
    let reads = |node: usize| {
        move |job: &mut Job| {
            job.write("flights.csv", 5);
            job.files.insert(node, "flights.csv");
        }
    };
    let changed = "file flights.csv has changed";
    let all = ["Rates", "Clean", "Joined", "Report"];
    check(reads(0), |job| job.write("flights.csv", 6), &all, &[("Joined", changed), ("Rates", changed)]);
    check(reads(1), |job| job.write("flights.csv", 6), &all[1..], &[("Joined", changed)]);
    check(reads(2), |job| job.write("flights.csv", 6), &all[1..], &[("Joined", changed)]);
    check(reads(3), |job| job.write("flights.csv", 6), &all[3..], &[]);
    check(reads(1), |job| job.write("flights.csv", 5), &all[3..], &[]);
}

#[test]
fn what_was_restored_passes_on_what_was_read_above_it() {
    let mut job = job();
    job.write("flights.csv", 5);
    job.files.insert(0, "flights.csv");
    job.fails = Some(1);
    job.go(false);
    job.fails = Some(3);
    assert_eq!(job.go(true).ran, ["Clean", "Joined", "Report"]);
    job.write("flights.csv", 6);
    job.fails = None;
    assert_eq!(job.go(true).ran, ["Rates", "Clean", "Joined", "Report"]);
}

#[test]
fn what_is_damaged_runs_again() {
    let damage = |of: &'static str| {
        move |job: &mut Job| {
            let find = |directory: &Path, start: &str| {
                let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
                let found = entries
                    .into_iter()
                    .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(start));
                found.unwrap()
            };
            let pipeline = find(&job.state.path().join("checkpoints"), "Delays");
            fs::write(find(&pipeline, of).join("payload/value"), "x").unwrap();
        }
    };
    let damaged = "its file is damaged";
    check(|_| {}, damage("Joined"), &["Clean", "Joined", "Report"], &[("Joined", damaged)]);
    check(|_| {}, damage("Rates"), &["Report"], &[]);
}

#[test]
fn below_what_is_volatile_it_counts_what_is_delivered() {
    let volatile = |node: usize| move |job: &mut Job| job.plan.factories.to_mut()[node].policy = &VOLATILE;
    let changed = [("Joined", "what it takes from `Clean` has changed")];
    // A volatile factory always runs. Its downstream factories run only if its output differs.
    check(volatile(0), |_| {}, &["Rates", "Report"], &[]);
    check(volatile(0), |job| job.content = 7, &["Rates", "Clean", "Joined", "Report"], &changed);
    check(volatile(1), |_| {}, &["Clean", "Report"], &[]);
    check(volatile(1), |job| job.content = 7, &["Clean", "Joined", "Report"], &changed);
    // The content is the same, whatever it was made from.
    check(
        volatile(1),
        |job| job.codes[0] = 9,
        &["Rates", "Clean", "Report"],
        &[("Rates", "its code has changed")],
    );
}

#[test]
fn what_was_made_without_a_delivery_waits_for_what_becomes_of_it() {
    let changed = [("Joined", "what it takes from `Clean` has changed")];
    let skip = |job: &mut Job| job.skipped = [1].into();
    check(skip, |_| {}, &["Clean", "Report"], &[]);
    check(skip, |job| job.skipped.clear(), &["Clean", "Joined", "Report"], &changed);
    // An output that was made from the delivery is valid even if the delivery could not be made now.
    let outcome = check_only(|_| {}, skip);
    assert_eq!(outcome.ran, ["Report"]);
}

fn check_only(prepare: impl FnOnce(&mut Job), change: impl FnOnce(&mut Job)) -> Outcome {
    let mut job = job();
    prepare(&mut job);
    job.go(false);
    change(&mut job);
    job.fails = None;
    job.go(true)
}

#[test]
fn what_was_made_of_a_fallback_is_told_apart() {
    let fall_back = |job: &mut Job| job.by_fallback = [1].into();
    let changed = [("Joined", "what it takes from `Clean` has changed")];
    check(fall_back, |_| {}, &["Clean", "Report"], &[]);
    check(fall_back, |job| job.by_fallback.clear(), &["Clean", "Joined", "Report"], &changed);
    // Once the output of a fallback is kept, it counts as such.
    check(|job| job.by_fallback = [0].into(), |_| {}, &["Report"], &[]);
}

#[test]
fn who_wrote_what_was_lost_writes_again() {
    let mut job = job();
    job.writes = [0, 1].into();
    job.go(false);
    job.fails = None;
    let resumed = job.go(true);
    // The writes of `Rates` were kept with its checkpoint, those of `Clean` were not.
    assert_eq!(resumed.ran, ["Clean", "Report"]);
    assert_eq!(resumed.adopted, [(0, json!([0, 1]))]);
}

#[test]
fn kept_writes_that_are_not_used_are_discarded() {
    let mut job = job();
    job.writes = [2].into();
    job.go(false);
    job.go(false);
    assert_eq!(DISCARDED.take(), [json!([2, 1])]);
    job.codes[2] = 9;
    assert_eq!(job.go(true).adopted, []);
    // The next run discards the replaced writes.
    assert_eq!(DISCARDED.take(), Vec::<Value>::new());
    let resumed = job.go(true);
    assert_eq!((DISCARDED.take(), resumed.adopted), (vec![json!([2, 2])], vec![(2, json!([2, 3]))]));
    job.fails = None;
    let resumed = job.go(true);
    // A committed write no longer exists, and discarding it has no effect.
    assert_eq!((DISCARDED.take(), resumed.adopted), (vec![json!([2, 3])], vec![(2, json!([2, 3]))]));
}

#[test]
fn who_wrote_what_cannot_be_committed_any_more_writes_again() {
    let mut job = job();
    job.writes = [2].into();
    job.run = 76;
    job.go(false);
    job.fails = None;
    let resumed = job.go(true);
    assert_eq!(resumed.ran, ["Clean", "Joined", "Report"]);
    assert_eq!(resumed.reasons["Joined"], "it is gone");
    assert_eq!(DISCARDED.take(), [json!([2, 77]), json!([2, 78])]);
}

#[test]
fn only_inputs_that_count_are_compared() {
    let job = job();
    let payload: AnyPayload = Arc::new(10u64);
    let of = |plan: &Plan, payload: Option<&AnyPayload>, how| {
        let counts = plan.factories.iter().map(|node| node.policy.checkpoint).collect();
        fingerprints_of_inputs(plan, &[payload.cloned()], &[how], counts, false).unwrap()[0]
    };
    let how = Some(fingerprint_of::<u64, _>());
    assert_eq!(of(&job.plan, Some(&payload), how), Some(10u64.fingerprint().unwrap()));
    assert_eq!(of(&job.plan, Some(&payload), None), None);
    assert_eq!(of(&job.plan, None, how), Some(Fingerprint::ABSENT));
    let mut volatile = job.plan.clone();
    volatile.factories.to_mut()[0].policy = &VOLATILE;
    assert_eq!(of(&volatile, Some(&payload), how), None);
}

#[test]
fn what_cannot_be_loaded_runs() {
    let mut job = job();
    job.go(false);
    // This acts as another type of the same name.
    let setup = |job: &Job| Setup {
        plan: PlanRef::Shared(Arc::new(job.plan.clone())),
        factories: job
            .codes
            .iter()
            .zip(job.plan.factories.iter())
            .map(|(code, node)| How {
                code: code_of(*code),
                checkpoint: node.policy.checkpoint,
                cache: None,
                adds: true,
                persistence: Some(Persistence::of::<String, _>()),
                content: None,
                writes: true,
                selected: true,
                enabled: true,
            })
            .collect(),
        inputs: vec![Some(job.input.fingerprint().unwrap())],
        resume: true,
        kept: KEPT,
        cache: None,
    };
    let store = Store::open(job.state.path(), "Delays", "x").unwrap();
    let session = Session::open(setup(&job), Some(store)).unwrap();
    assert!((0..4).all(|node| matches!(session.ready(node), Part::Runs)));
    for kept in [0, 2] {
        let because = session.objection(kept).unwrap();
        assert!(because.contains("its file cannot be read: "), "{because}");
    }
}

#[test]
fn what_is_undone_is_gone() {
    let mut job = job();
    job.go(false);
    let setup = Setup {
        plan: PlanRef::Shared(Arc::new(job.plan.clone())),
        factories: vec![How { selected: true, enabled: true, ..How::default() }; 4],
        inputs: vec![None],
        resume: true,
        kept: KEPT,
        cache: None,
    };
    let store = Store::open(job.state.path(), "Delays", "x").unwrap();
    let session = Session::open(setup, Some(store)).unwrap();
    // The fingerprint of the input is unknown.
    assert!(matches!(session.ready(0), Part::Runs));
    session.undone(2).unwrap();
    drop(session);
    job.fails = None;
    assert_eq!(job.go(true).ran, ["Clean", "Joined", "Report"]);
}
