//! What is taken from the cache, and what runs again when something has changed.

use std::sync::{Arc, Barrier, Mutex};

use setl::prelude::*;
use setl::run::Status;
use setl::{Event, RunBuilder};

use crate::office::{Clean, Daily, Desk, Limit, Office, late, total};

const ALL: [&str; 4] = ["clean", "late", "read", "total"];

#[test]
fn a_later_run_takes_what_is_needed_and_leaves_out_the_rest() {
    let office = Office::new();
    let first = office.run();
    assert_eq!((first.ran.as_slice(), &first.error), (ALL.map(str::to_owned).as_slice(), &None));
    assert_eq!(first.counts("total"), (0, 1));
    assert_eq!(office.cached(), ["late", "read", "total"]);
    for hits in 1..4 {
        let went = office.run();
        assert_eq!((went.ran.len(), &went.error), (0, &None));
        assert_eq!(went.with(Status::Cached), ["total"]);
        assert_eq!(went.with(Status::NotSelected), ["clean", "late", "read"]);
        assert_eq!((went.counts("total"), went.counts("late")), ((1, 0), (0, 0)));
        assert!(went.remark("total").starts_with("took "), "{went:?}");
        assert!(went.remark("total").ends_with(" when it was computed"), "{went:?}");
        let report = went.report.unwrap();
        // What was left out is cached too, so that it is known how long it took.
        assert!(report.cache().iter().all(|of| !of.saved.is_zero()), "{:?}", report.cache());
        assert_eq!(report.time_saved(), report.cache().iter().map(|of| of.saved).sum());
        assert!(report.to_string().contains("\ncache: 1 taken, 0 computed; "), "{report}");
        let of_total = office.entries().into_iter().find(|entry| entry.factory == "total").unwrap();
        assert_eq!((of_total.hits, &*of_total.pipeline), (hits, "Daily"));
    }
}

#[test]
fn what_is_delivered_is_the_same() {
    let office = Office::new();
    for _ in 0..2 {
        let run = setl_tests::runtime(1).block_on(async { office.daily().state_dir(office.state()).await });
        assert_eq!(run.unwrap().get::<total>().0, 140);
    }
}

/// A changes to B and back to A: both are there.
#[test]
fn several_versions_are_kept() {
    let mut office = Office::new();
    office.run();
    office.limit = 20;
    let went = office.run();
    assert_eq!(went.ran, ["clean", "late", "total"]);
    assert_eq!(went.with(Status::Cached), ["read"]);
    assert_eq!(went.remark("late"), "not taken from the cache: input `limit` has changed");
    assert_eq!(went.remark("total"), "not taken from the cache: what it takes from `late` has changed");
    for limit in [10, 20, 10] {
        office.limit = limit;
        assert_eq!(office.run().ran.len(), 0);
    }
    office.write("input.txt", "4");
    let went = office.run();
    assert_eq!(went.ran, ALL);
    assert!(went.remark("read").contains("input.txt has changed"), "{went:?}");
    assert!(went.remark("total").contains("input.txt has changed"), "{went:?}");
    office.write("input.txt", "3");
    assert_eq!(office.run().ran.len(), 0);
    std::fs::remove_file(office.path("input.txt")).unwrap();
    let went = office.run();
    assert_eq!(
        (went.ran.as_slice(), went.with(Status::Failed)),
        (["read".to_owned()].as_slice(), vec!["read"])
    );
    assert!(went.remark("read").contains("input.txt is not there any more"), "{went:?}");
}

/// What was read first is not there any more when the output is kept, of which nobody knows what it is made of then.
#[test]
fn what_changes_during_the_run_is_not_cached() {
    let office = Office::new();
    let input = office.path("input.txt");
    office.desk.let_do("late", move || std::fs::write(&input, "5").unwrap());
    let went = office.run();
    assert_eq!(went.error, None);
    for factory in ["late", "total"] {
        assert!(went.remark(factory).ends_with("input.txt has changed meanwhile"), "{went:?}");
    }
    assert_eq!(office.cached(), ["read"]);
}

#[test]
fn a_run_that_failed_has_cached_what_succeeded() {
    let office = Office::new();
    office.desk.fail(&["total"]);
    assert!(office.run().error.is_some());
    office.desk.fail(&[]);
    let went = office.run();
    assert_eq!(went.ran, ["total"]);
    assert_eq!(went.with(Status::Cached), ["late"]);
}

#[test]
fn runs_at_once_do_not_disturb_each_other() {
    let office = Arc::new(Office::new());
    let barrier = Arc::new(Barrier::new(2));
    let meets = Arc::clone(&barrier);
    // Both are in the same factory of the same pipeline at once.
    office.desk.let_do("late", move || {
        meets.wait();
    });
    let run = |office: &Office| {
        setl_tests::runtime(4).block_on(office.daily().state_dir(office.state()).outcome()).into_result()
    };
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let office = Arc::clone(&office);
            std::thread::spawn(move || run(&office).unwrap().get::<total>().0)
        })
        .collect();
    assert!(runs.into_iter().all(|run| run.join().unwrap() == 140));
    // What both have made is there once.
    assert_eq!(office.cached(), ["late", "read", "total"]);
    assert_eq!(office.run().ran.len(), 0);
}

#[test]
fn a_run_of_some_factories_takes_and_adds() {
    let office = Office::new();
    let went = office.run_any(office.daily().up_to::<late>());
    assert_eq!(went.ran, ["clean", "late", "read"]);
    let went = office.run_any(office.daily().up_to::<late>());
    assert_eq!((went.ran.len(), went.with(Status::Cached)), (0, vec!["late"]));
    assert_eq!(office.run().ran, ["total"]);
    // Of what does not run it is not known what it delivers.
    let only = office.daily().from_factory::<late>().provide::<crate::office::clean>(Clean(9));
    let went = office.run_any(only);
    assert_eq!(went.ran, ["late", "total"]);
    let because = "not cached: of what it takes from `clean` it cannot be told whether it has changed";
    assert_eq!(went.remark("late"), because);
    assert_eq!(office.cached(), ["late", "read", "total"]);
}

#[test]
fn a_dry_run_takes_and_adds_nothing() {
    let office = Office::new();
    assert_eq!(office.run_any(office.daily().no_write()).ran, ALL);
    assert!(office.cached().is_empty());
    assert_eq!(office.run().ran, ALL);
    assert_eq!(office.run_any(office.daily().no_write()).ran.len(), 0);
}

#[test]
fn what_stands_in_for_a_factory_is_neither_taken_nor_added() {
    let office = Office::new();
    let replaced = || {
        let daily = Daily { limit: Limit(10), desk: office.desk.clone() };
        setl::testing::pipeline(daily).replace::<late>(crate::office::Late(1)).run()
    };
    for _ in 0..2 {
        let went = office.run_any(replaced());
        assert_eq!(went.ran, ["clean", "read", "total"]);
        assert!(office.cached().is_empty());
    }
    office.run();
    assert_eq!(office.run_any(replaced()).ran, ["clean", "read", "total"]);
}

#[test]
fn a_run_without_a_cache_makes_no_directory() {
    let office = Office::new();
    let went = office.run_any(office.daily().cache(setl::cache::CachePolicy::off()));
    assert_eq!(went.ran, ALL);
    assert!(!office.state().exists());
    assert!(went.report.unwrap().cache().is_empty());
}

#[factory(cache, checkpoint)]
fn both(limit: Limit, desk: Desk) -> Result<u32> {
    desk.begin("both")?;
    Ok(limit.0 as u32)
}

#[factory(checkpoint)]
fn next(both: u32, desk: Desk) -> Result<String> {
    desk.begin("next")?;
    Ok(both.to_string())
}

#[factory]
fn last(next: String, desk: Desk) -> Result<()> {
    desk.begin(&format!("last {next}"))
}

#[pipeline(all(both, next, last))]
struct Kept {
    limit: Limit,
    #[delivery(opaque)]
    desk: Desk,
}

#[test]
fn cache_and_checkpoint_of_one_factory_do_what_each_does_alone() {
    let office = Office::new();
    let kept = || Kept { limit: Limit(1), desk: office.desk.clone() }.run();
    office.desk.fail(&["last 1"]);
    assert_eq!(office.run_any(kept()).ran.len(), 3);
    office.desk.fail(&[]);
    let went = office.run_any(kept().resume());
    assert_eq!((went.ran.len(), went.with(Status::Restored)), (1, vec!["next"]));
    // The run has succeeded: its checkpoints are gone, and the cache is not.
    let went = office.run_any(kept().resume());
    assert_eq!((went.ran.len(), went.with(Status::Cached)), (2, vec!["both"]));
    office.desk.fail(&["next"]);
    office.run_any(kept());
    office.desk.fail(&[]);
    setl::cache::clear(office.state()).unwrap();
    let went = office.run_any(kept().resume());
    assert_eq!(went.with(Status::Cached).len() + went.with(Status::Restored).len(), 0, "{went:?}");
}

#[test]
fn events_say_where_it_comes_from() {
    let office = Office::new();
    office.run();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let observed = office.daily().observe(move |event| {
        events.lock().unwrap().push(match event {
            Event::RunEnded { status, .. } => status.to_string(),
            other => format!("{other:?}"),
        });
    });
    office.run_any(observed);
    let seen = seen.lock().unwrap();
    let all = [
        "RunStarted { factories: 4 }",
        r#"NotSelected { factory: "read" }"#,
        r#"NotSelected { factory: "clean" }"#,
        r#"NotSelected { factory: "late" }"#,
        r#"Cached { factory: "total" }"#,
        "succeeded",
    ];
    assert_eq!(*seen, all);
}

#[test]
fn a_pipeline_made_at_run_time_says_what_can_be_compared() {
    let office = Office::new();
    let builder = || {
        let inputs = Pipeline::builder("Daily").input("limit", Limit(10)).compared::<Limit, _>();
        inputs.input("desk", office.desk.clone())
    };
    let stages = |builder: setl::plan::dynamic::Builder| {
        let builder = builder.stage("all").factory::<crate::office::read>();
        let builder = builder.factory::<crate::office::clean>().factory::<late>().factory::<total>();
        builder.build().unwrap().run()
    };
    for _ in 0..2 {
        let went = office.run_any(stages(builder()));
        assert_eq!(went.ran, ALL);
        assert_eq!(
            went.remark("read"),
            "not cached: of input `desk` it cannot be told whether it has changed"
        );
    }
    for ran in [4, 0] {
        assert_eq!(office.run_any(stages(builder().opaque())).ran.len(), ran);
    }
    let misplaced = Pipeline::builder("p").opaque().input("limit", Limit(1)).compared::<u32, _>();
    let error = misplaced.stage("all").factory::<late>().build().unwrap_err().to_string();
    assert!(error.contains("`.opaque()` comes right after an input"), "{error}");
    assert!(error.contains("`.compared::<u32, _>()` comes right after an input of this type"), "{error}");
}

#[test]
fn the_runner_is_the_same_without_a_state_directory_of_its_own() {
    // Only that it compiles for any pipeline.
    fn cached<P>(runner: RunBuilder<P>) -> RunBuilder<P> {
        runner.cache(setl::cache::CachePolicy::all())
    }
    drop(cached(Office::new().daily()));
}
