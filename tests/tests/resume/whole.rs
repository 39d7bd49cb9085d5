//! A run of all factories that fails, and one that goes on with it.

use std::fs;

use setl::RunBuilder;
use setl::run::{Phase, Status};

use crate::daily::Office;

const ALL: [&str; 5] = ["FindLate", "Log", "clean", "flights", "total"];

/// A run that failed at its last factory.
fn failed() -> Office {
    let office = Office::new();
    office.desk.fail(&["total"]);
    let went = office.run(|runner| runner);
    assert_eq!(went.ran, ALL);
    assert_eq!(went.with(Status::Failed), ["total"]);
    assert_eq!(office.read("late.txt"), None);
    assert_eq!(office.read("log.txt"), None);
    office.desk.fail(&[]);
    office
}

/// What an undisturbed run writes.
#[track_caller]
fn check_written(office: &Office) {
    assert_eq!(office.read("late.txt").as_deref(), Some("[15, 25]\n"));
    assert_eq!(office.read("log.txt").as_deref(), Some("3 flights\n"));
    office.check_clean();
}

#[test]
fn an_undisturbed_run_leaves_nothing() {
    let office = Office::new();
    let went = office.run(|runner| runner);
    assert_eq!(went.error, None);
    assert_eq!(went.ran, ALL);
    check_written(&office);
    // The next starts afresh.
    assert_eq!(office.resume().ran, ALL);
    assert_eq!(office.read("log.txt").as_deref(), Some("3 flights\n3 flights\n"));
    office.check_clean();
}

#[test]
fn a_run_that_failed_is_resumed_where_it_ended() {
    let office = failed();
    assert_eq!(office.kept().into_keys().collect::<Vec<_>>(), ["FindLate", "Log", "flights"]);
    let went = office.resume();
    assert_eq!(went.error, None);
    assert_eq!(went.ran, ["total"]);
    assert_eq!(went.with(Status::Restored), ["FindLate", "Log"]);
    assert_eq!(went.with(Status::NotSelected), ["clean", "flights"]);
    assert_eq!(went.notes.len(), 0, "{went:?}");
    assert_eq!(went.committed.len(), 2, "{went:?}");
    check_written(&office);
    assert_eq!(office.resume().ran, ALL);
}

#[test]
fn a_run_may_fail_as_often_as_it_likes() {
    let office = failed();
    office.desk.fail(&["total"]);
    for _ in 0..3 {
        let went = office.resume();
        assert_eq!(went.ran, ["total"]);
        assert_eq!(went.phase, Some(Phase::Process));
    }
    office.desk.fail(&[]);
    assert_eq!(office.resume().ran, ["total"]);
    check_written(&office);
}

#[test]
fn a_run_that_does_not_resume_starts_afresh() {
    let office = failed();
    let went = office.run(|runner| runner);
    assert_eq!(went.ran, ALL);
    check_written(&office);
}

#[test]
fn what_is_damaged_is_computed_again() {
    type Damage<'a> = (&'a str, &'a dyn Fn(&Office), &'a str);
    let cases: [Damage<'_>; 6] = [
        (
            "FindLate",
            &|office| fs::write(office.kept()["FindLate"].join("payload/value"), "x").unwrap(),
            "its file is damaged",
        ),
        (
            "FindLate",
            &|office| fs::write(office.kept()["FindLate"].join("payload/value"), "").unwrap(),
            "its file is damaged",
        ),
        (
            "Log",
            &|office| fs::remove_dir_all(office.kept()["Log"].join("payload")).unwrap(),
            "its file is missing",
        ),
        (
            "Log",
            &|office| fs::write(office.kept()["Log"].join("manifest"), "x").unwrap(),
            "its manifest is damaged",
        ),
        (
            "Log",
            &|office| fs::remove_file(office.kept()["Log"].join("manifest")).unwrap(),
            "its manifest is missing",
        ),
        ("Log", &|office| fs::remove_dir_all(&office.kept()["Log"]).unwrap(), ""),
    ];
    for (factory, damage, because) in cases {
        let office = failed();
        damage(&office);
        let went = office.resume();
        assert_eq!(went.ran, [factory, "clean", "total"], "{because}");
        assert_eq!(went.with(Status::Restored).len(), 2);
        let remark = if because.is_empty() {
            String::new()
        } else {
            format!("its checkpoint was not used: {because}")
        };
        assert_eq!(went.remark(factory), remark);
        check_written(&office);
    }
}

#[test]
fn a_staged_write_that_is_gone_or_damaged_is_made_again() {
    let staged = |office: &Office| {
        let files = crate::daily::files(&office.path(""));
        let is_late = |path: &&std::path::PathBuf| path.to_string_lossy().contains(".late.txt.");
        files.iter().find(is_late).unwrap().clone()
    };
    let damages: [&dyn Fn(&Office); 3] = [
        &|office| fs::remove_file(staged(office)).unwrap(),
        &|office| fs::write(staged(office), "x").unwrap(),
        &|office| fs::write(staged(office), "").unwrap(),
    ];
    for damage in damages {
        let office = failed();
        damage(&office);
        let went = office.resume();
        assert_eq!(went.ran, ["FindLate", "clean", "total"]);
        assert!(went.remark("FindLate").contains("what was staged for "), "{went:?}");
        check_written(&office);
    }
}

#[test]
fn only_one_run_of_a_pipeline_uses_its_checkpoints() {
    let office = failed();
    let refused = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (desk, state) = (office.desk.clone(), office.state());
    let said = std::sync::Arc::clone(&refused);
    office.desk.let_do("total", move || {
        let second = crate::daily::Daily::of(10, desk.clone()).run().resume().state_dir(&state);
        let second = std::thread::spawn(|| setl_tests::runtime(1).block_on(second.outcome()));
        *said.lock().unwrap() = second.join().unwrap().error().map(crate::daily::text);
    });
    assert_eq!(office.resume().error, None);
    let refused = refused.lock().unwrap().take().unwrap();
    assert!(refused.contains("another run of pipeline `Daily` uses its checkpoints in "), "{refused}");
    assert!(refused.contains("wait for it, or give this run a state directory of its own"), "{refused}");
    check_written(&office);
}

#[test]
fn a_changed_setting_or_file_is_seen() {
    let mut office = failed();
    office.limit = 20;
    let went = office.resume();
    assert_eq!(went.ran, ["FindLate", "clean", "total"]);
    assert_eq!(went.remark("FindLate"), "its checkpoint was not used: input `limit` has changed");
    let office = failed();
    office.write("flights.txt", "7\n");
    let went = office.resume();
    assert_eq!(went.ran, ALL);
    assert!(went.remark("Log").contains("flights.txt has changed"), "{went:?}");
    assert_eq!(office.read("log.txt").as_deref(), Some("1 flights\n"));
    office.check_clean();
}

#[test]
fn a_dry_run_neither_commits_nor_forgets_what_was_kept() {
    let office = failed();
    for how in [|runner: RunBuilder<_>| runner.no_write(), |runner: RunBuilder<_>| runner.no_write().resume()]
    {
        let went = office.run(how);
        assert_eq!(went.error, None);
        assert_eq!(office.read("late.txt"), None);
        assert_eq!(office.read("log.txt"), None);
    }
    assert_eq!(office.resume().ran, ["total"]);
    check_written(&office);
}

#[test]
fn what_a_dry_run_kept_is_computed_again_to_be_written() {
    let office = Office::new();
    office.desk.fail(&["total"]);
    assert_eq!(office.run(|runner| runner.no_write().resume()).ran, ALL);
    assert_eq!(office.run(|runner| runner.no_write().resume()).ran, ["total"]);
    office.desk.fail(&[]);
    let went = office.resume();
    assert_eq!(went.ran, ALL);
    assert_eq!(went.remark("Log"), "its checkpoint was not used: made by a run that did not write");
    check_written(&office);
}

#[test]
fn all_can_be_kept() {
    let office = Office::new();
    office.desk.fail(&["FindLate"]);
    office.run(RunBuilder::checkpoint_all);
    office.desk.fail(&[]);
    assert!(office.kept().contains_key("clean"));
    // What was kept is used, whether or not the next run keeps all, too.
    let went = office.resume();
    assert!(!went.ran.iter().any(|name| name == "clean"), "{went:?}");
    assert_eq!(went.error, None);
    check_written(&office);
}
