//! What is said of a plan. With `SETL_BLESS=1` the texts are written anew.

use std::path::Path;
use std::time::{Duration, SystemTime};

use setl::optimize::plan::Gain;
use setl::optimize::{FactoryRecord, FactoryStatus, History, Learning, RunRecord};
use setl::prelude::*;

use crate::shop::shop;

#[track_caller]
fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/texts").join(name);
    if std::env::var_os("SETL_BLESS").is_some() {
        std::fs::write(&path, format!("{found}\n")).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found.trim_end(), expected.trim_end(), "{name} says something else");
}

#[test]
fn a_plan_is_explained_before_and_after() {
    let explanation = shop().run().explain().unwrap();
    check("shop.txt", &explanation.to_string());
    check("shop-before.mmd", &explanation.before().diagram().mermaid());
    check("shop-after.mmd", &explanation.after().diagram().mermaid());
    check("shop-after.dot", &explanation.after().diagram().dot());
}

#[derive(Clone)]
struct Raw(u32);
#[derive(Clone)]
struct Rate(u32);
#[derive(Clone)]
struct Sum(u32);

#[factory]
fn raw(seed: u32) -> Raw {
    Raw(seed)
}

#[factory]
fn rate(seed: u32) -> Rate {
    Rate(seed)
}

#[factory]
fn sum(raw: Raw, rate: Rate) -> Sum {
    Sum(raw.0 + rate.0)
}

#[factory(id = Late)]
fn late(seed: u32) -> u64 {
    seed.into()
}

struct Late;

#[factory]
fn show(sum: Sum, #[delivery(id = Late)] late: u64) {
    assert!(u64::from(sum.0) > late);
}

#[pipeline(extract(raw), convert(rate), combine(sum), more(late), load(show))]
struct Stages {
    seed: u32,
}

#[pipeline(#[barrier] extract(raw), convert(rate), combine(sum), more(late), load(show))]
struct Barred {
    seed: u32,
}

#[test]
fn stages_that_could_be_earlier_are_told_of() {
    check("stages.txt", &Stages { seed: 1 }.run().explain().unwrap().to_string());
    check("barred.txt", &Barred { seed: 1 }.run().explain().unwrap().to_string());
}

fn history(path: &Path, pipeline: &str, factories: [(&str, u64); 5]) {
    let history = History::open(path).unwrap();
    for day in 0..6 {
        let mut run = RunRecord::new(day.to_string(), pipeline, SystemTime::UNIX_EPOCH);
        for (name, seconds) in factories {
            let mut record = FactoryRecord::new(name, "", Duration::from_secs(seconds));
            record.status = FactoryStatus::Succeeded;
            run.factories.push(record);
        }
        run.succeeded = true;
        run.makespan = Duration::from_secs(6);
        run.workers = 2;
        history.record(&run).unwrap();
    }
}

#[tokio::test]
async fn what_is_predicted_decides_what_starts_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    history(&path, "Stages", [("raw", 1), ("rate", 3), ("sum", 2), ("late", 1), ("show", 1)]);
    let run = Stages { seed: 1 }.run().concurrency(1).learn(Learning::new().at(&path));
    let explanation = run.explain().unwrap();
    let priority = |name| explanation.after().factory(name).unwrap().priority.unwrap();
    assert!(priority("rate") > priority("raw") && priority("raw") > priority("late"));
    let (_, decision) = explanation.decisions().find(|(pass, _)| *pass == "critical-path").unwrap();
    assert_eq!(decision.factories, ["rate", "sum", "show"]);
    assert!(explanation.to_string().contains("predicted: pipeline Stages, 1 at once"), "{explanation}");
    let run = run.await.unwrap();
    let start = |name| run.entry(name).unwrap().timing.start;
    assert!(start("rate") < start("raw") && start("raw") < start("late"));
    let after = run.explain();
    assert!(after.comparison().is_some());
    assert!(after.to_string().contains("\nactual: "), "{after}");
}

#[factory(id = Archive)]
fn archive(seed: u32) -> u32 {
    seed
}

struct Archive;

#[pipeline(all(archive, raw, rate, sum, show_sum))]
struct Nightly {
    seed: u32,
}

#[factory]
fn show_sum(sum: Sum) {
    assert!(sum.0 > 0);
}

/// The example of the book.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_order_saves_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let seconds = [("archive", 1), ("raw", 1), ("rate", 3), ("sum", 2), ("show_sum", 1)];
    // What is measured of other code is not enough: the codes are those that a run records.
    Nightly { seed: 1 }.run().learn(Learning::new().at(&path)).await.unwrap();
    let history = History::open(&path).unwrap();
    let first = history.runs("Nightly", 1).unwrap().remove(0);
    let gain = |runs| {
        for day in runs {
            let mut run = RunRecord { run_id: format!("day-{day}"), ..first.clone() };
            for (record, (name, seconds)) in run.factories.iter_mut().zip(seconds) {
                assert_eq!(record.factory, name);
                record.wall = Duration::from_secs(seconds);
            }
            run.makespan = Duration::from_secs(6);
            history.record(&run).unwrap();
        }
        let explanation = Nightly { seed: 1 }.run().learn(Learning::new().at(&path)).explain().unwrap();
        explanation.decisions().find(|(pass, _)| *pass == "critical-path").unwrap().1.clone()
    };
    // The measured one would be no part of the story.
    let removed = RunRecord { succeeded: false, factories: Vec::new(), ..first.clone() };
    history.record(&removed).unwrap();
    let of_one_run = gain(0..1);
    assert_eq!(of_one_run.gain, None, "too little is known: {of_one_run}");
    let decision = gain(1..6);
    assert_eq!(decision.factories, ["rate", "sum", "show_sum"]);
    let Some(Gain::Makespan(saved)) = decision.gain else { panic!("nothing is saved: {decision}") };
    assert!((0.9..1.1).contains(&saved), "{decision}");
}

#[tokio::test]
async fn a_history_that_was_damaged_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    std::fs::write(&path, "not a database, but long enough to be taken for the first page of one".repeat(99))
        .unwrap();
    let run = Stages { seed: 1 }.run().learn(Learning::new().at(&path)).await.unwrap();
    let aside = run.report().learned().unwrap().set_aside.clone().unwrap();
    assert!(aside.exists());
    let said = format!(
        "the history was damaged: a new one was begun, and the damaged one is {} now",
        aside.display()
    );
    assert!(run.to_string().contains(&said), "{run}");
    let run = Stages { seed: 1 }.run().learn(Learning::new().at(&path)).await.unwrap();
    assert!(run.report().learned().unwrap().set_aside.is_none());
}
