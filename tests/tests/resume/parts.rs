//! Runs of some factories, runs that commit what there is, and factories that are undone.

use std::collections::BTreeMap;

use setl::RunBuilder;
use setl::prelude::*;
use setl::run::{Phase, Status};

use crate::daily::{Clean, Desk, FindLate, Late, Log, Logged, Office, flights};

/// A run that failed at its last factory.
fn failed() -> Office {
    let office = Office::new();
    office.desk.fail(&["total"]);
    office.run(|runner| runner);
    office.desk.fail(&[]);
    office
}

#[test]
fn a_run_of_some_factories_leaves_alone_what_was_kept() {
    let office = failed();
    let went = office.run(|runner| runner.up_to::<flights>());
    assert_eq!(went.ran, ["flights"]);
    assert_eq!(office.resume().ran, ["total"]);
    assert_eq!(office.read("log.txt").as_deref(), Some("3 flights\n"));
    office.check_clean();
}

#[test]
fn a_run_of_some_factories_commits_what_was_kept_once() {
    let office = failed();
    let went = office.run(|runner| runner.up_to::<Log>().resume());
    assert_eq!(went.error, None);
    assert_eq!((went.ran.len(), went.with(Status::Restored)), (0, vec!["Log"]));
    assert_eq!(office.read("log.txt").as_deref(), Some("3 flights\n"));
    assert_eq!(office.read("late.txt"), None);
    // What it has committed is neither computed nor written again, however often.
    assert_eq!(office.run(|runner| runner.up_to::<Log>().resume()).ran.len(), 0);
    assert_eq!(office.resume().ran, ["total"]);
    assert_eq!(office.read("log.txt").as_deref(), Some("3 flights\n"));
    assert_eq!(office.read("late.txt").as_deref(), Some("[15, 25]\n"));
    office.check_clean();
}

#[test]
fn what_is_asked_for_is_there_although_all_below_it_is_kept() {
    let office = failed();
    let daily = crate::daily::Daily::of(10, office.desk.clone());
    let run = daily.run().up_to::<flights>().resume().state_dir(office.state());
    let outcome = setl_tests::runtime(1).block_on(run.outcome());
    assert!(outcome.find::<flights>().is_some(), "{outcome}");
}

#[test]
fn what_is_provided_is_not_taken_for_what_was_kept() {
    let office = failed();
    let provided = |runner: RunBuilder<crate::daily::Daily>| {
        runner.only::<Log>().only::<FindLate>().provide::<crate::daily::clean>(Clean(vec![99])).resume()
    };
    let went = office.run(provided);
    assert_eq!(went.error, None);
    assert_eq!(went.ran, ["FindLate", "Log"]);
    assert_eq!(office.read("late.txt").as_deref(), Some("[99]\n"));
}

#[test]
fn what_is_committed_although_something_failed_is_not_written_again() {
    let office = Office::new();
    office.desk.fail(&["total"]);
    let went = office.run(RunBuilder::commit_partial);
    assert_eq!(went.with(Status::Failed), ["total"]);
    assert_eq!(office.read("log.txt").as_deref(), Some("3 flights\n"));
    office.desk.fail(&[]);
    assert_eq!(office.resume().ran, ["total"]);
    assert_eq!(office.read("log.txt").as_deref(), Some("3 flights\n"));
    office.check_clean();
}

/// Where others may write to new files of this process, what they could have written is not believed.
#[cfg(unix)]
#[test]
fn all_that_says_what_is_committed_is_private() {
    use std::os::unix::fs::MetadataExt as _;

    let office = Office::new();
    office.desk.fail(&["total"]);
    office.run(RunBuilder::commit_partial);
    let state = office.desk.root.join("state");
    let files: Vec<_> = crate::daily::files(&state).into_iter().filter(|path| path.is_file()).collect();
    assert!(files.iter().any(|path| path.ends_with("committed")), "{files:?}");
    for file in files {
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{}", file.display());
    }
}

/// Writes somewhere else, and can undo it.
#[factory(checkpoint, output = Late)]
struct Announce {
    #[delivery]
    desk: Desk,
}

impl Factory for Announce {
    async fn process(&mut self) -> Result<Late> {
        self.desk.begin("Announce")?;
        Ok(Late(vec![1]))
    }

    async fn write(&mut self, _: &Late) -> Result<()> {
        let file = self.desk.root.join("announced.txt");
        let old = std::fs::read_to_string(&file).unwrap_or_default();
        Ok(std::fs::write(file, old + "announced\n")?)
    }
}

impl Rollback for Announce {
    async fn rollback(&mut self) -> Result<()> {
        Ok(std::fs::write(self.desk.root.join("announced.txt"), "")?)
    }
}

#[factory(checkpoint)]
fn count(late: Late, desk: Desk) -> Result<Logged> {
    desk.begin("count")?;
    Ok(Logged(late.0.len() as u64))
}

#[factory]
fn send(logged: Logged, desk: Desk) -> Result<()> {
    assert_eq!(logged, Logged(1));
    desk.begin("send")
}

#[pipeline(all(Announce, count, send))]
struct Announced {
    #[delivery(opaque)]
    desk: Desk,
}

#[test]
fn what_is_undone_is_done_again() {
    let office = Office::new();
    let run = || office.run_any(Announced { desk: office.desk.clone() }.run().resume());
    office.desk.fail(&["send"]);
    assert_eq!(run().ran, ["Announce", "count", "send"]);
    assert_eq!(office.read("announced.txt").as_deref(), Some(""));
    assert_eq!(office.kept().into_keys().collect::<Vec<_>>(), ["count"]);
    office.desk.fail(&[]);
    // What comes below was kept, but what it stands on has to be there.
    let went = run();
    assert_eq!(went.ran, ["Announce", "send"]);
    assert_eq!(went.with(Status::Restored), ["count"]);
    assert_eq!(office.read("announced.txt").as_deref(), Some("announced\n"));
    office.check_clean();
}

#[test]
fn what_cannot_be_kept_fails_its_factory_and_says_what_to_do() {
    let office = Office::new();
    let state = office.state();
    office.desk.let_do("Log", move || {
        // As if somebody had taken the directory away, and something else had come to its place.
        std::fs::rename(state.join("checkpoints"), state.join("away")).unwrap();
        std::fs::write(state.join("checkpoints"), "").unwrap();
    });
    let went = office.run(|runner| runner.concurrency(1));
    let error = went.error.clone().unwrap();
    assert_eq!(went.phase, Some(Phase::Checkpoint), "{error}");
    assert!(error.contains("cannot keep the output as a checkpoint: cannot "), "{error}");
    assert!(
        error.contains(" give the run another place for them with `state_dir` or the environment variable"),
        "{error}"
    );
    assert_eq!(office.read("log.txt"), None);
    let left = crate::daily::files(&office.path(""));
    assert!(!left.iter().any(|path| path.to_string_lossy().contains(".log.txt.")), "{left:?}");
    std::fs::remove_file(office.path("state/checkpoints")).unwrap();
    std::fs::rename(office.path("state/away"), office.path("state/checkpoints")).unwrap();
    office.desk.let_do("Log", || {});
    let went = office.resume();
    assert_eq!(
        (went.error, went.ran),
        (None, vec!["Log".to_owned(), "clean".to_owned(), "total".to_owned()])
    );
    office.check_clean();
}

#[test]
fn a_state_directory_that_cannot_be_used_keeps_the_run_from_starting() {
    let office = Office::new();
    office.write("state", "");
    let went = office.run(|runner| runner);
    let error = went.error.unwrap();
    assert!(error.contains("cannot create "), "{error}");
    assert!(error.contains(" with `state_dir` or the environment variable SETL_STATE_DIR"), "{error}");
    assert_eq!((went.ran.len(), went.statuses), (0, BTreeMap::new()));
}
