//! A history that is written, read, shared, damaged and outgrown.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::collections::BTreeMap;
use std::process::Command;
use std::{env, fs, thread};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::predict::BatchPrediction;
use crate::{Basis, Estimate, Interval, Prediction};

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn run(id: &str, pipeline: &str, second: u64) -> RunRecord {
    let mut clean = FactoryRecord::new("clean", "00ff", Duration::from_millis(1500));
    clean.bytes_in = Some(10 * second);
    let mut run = RunRecord::new(id, pipeline, at(second));
    run.factories = vec![FactoryRecord::new("read", "aa", Duration::from_secs(1)), clean];
    run
}

/// A run record with every field set.
fn full() -> RunRecord {
    let interval = Interval { low: 0.5, median: 1.0, high: 2.0 };
    let mut run = run("full", "Nightly", 7);
    run.started += Duration::from_nanos(123_456_789);
    run.workers = 8;
    run.strategy = BTreeMap::from([("join".into(), "hash".into()), ("share".into(), "yes".into())]);
    run.makespan = Duration::new(3, 141_592_653);
    run.peak_bytes = Some(u64::MAX / 4);
    run.succeeded = false;
    run.error = Some("the commit failed".into());
    run.predicted = Some(Prediction {
        pipeline: "Nightly".into(),
        workers: 8,
        makespan: interval,
        peak_bytes: Some(Interval::exactly(1e9)),
        basis: Basis::Observed(3),
        factories: Vec::new(),
        batches: vec![BatchPrediction {
            factories: vec!["clean".into()],
            wall: Estimate { low: 0.5, median: 1.0, high: 2.0, basis: Basis::Observed(3) },
        }],
    });
    run.cpu = Some(Duration::from_millis(11));
    run.batches = vec![
        BatchRecord { factories: vec!["clean".into(), "read".into()], wall: Duration::from_millis(9) },
        BatchRecord { factories: Vec::new(), wall: Duration::ZERO },
    ];
    run.factories[0].in_query_of = Some("clean".into());
    run.factories[1] = FactoryRecord {
        factory: "clean".into(),
        code: format!("{:032x}", u128::MAX),
        status: FactoryStatus::Failed,
        attempts: Some(3),
        error: Some("it failed: no such file".into()),
        wall: Duration::from_nanos(1),
        cpu: Some(Duration::from_micros(7)),
        rows_in: Some(1),
        bytes_in: Some(2),
        rows_out: Some(3),
        bytes_out: Some(4),
        peak_bytes: Some(5),
        predicted: Some(interval),
        in_query_of: None,
        waited: Duration::from_micros(3),
        queries: Duration::from_nanos(2),
        files: vec![
            FileRecord { path: "/data/orders".into(), bytes: 77 },
            FileRecord { path: "/data/customers".into(), bytes: 0 },
        ],
    };
    let consumers = vec!["a".into(), "b".into()];
    let wall = Duration::from_millis(3);
    run.subplans = vec![
        SubplanRecord {
            fingerprint: "f1".into(),
            consumers,
            wall,
            rows: Some(10),
            bytes: None,
            whole_of: vec!["a".into()],
        },
        SubplanRecord {
            fingerprint: "f2".into(),
            consumers: Vec::new(),
            wall,
            rows: None,
            bytes: Some(1),
            whole_of: Vec::new(),
        },
    ];
    (run.cores, run.links) = (Some(16), vec![(0, 2), (2, 1)]);
    run.choices = vec![ChoiceRecord {
        choice: "engine".into(),
        fingerprint: "f3".into(),
        factories: vec!["clean".into()],
        alternative: "streaming".into(),
        tried: true,
        wall,
        size: Some(7),
        because: "nothing is known".into(),
    }];
    let read = ReadRecord {
        factories: vec!["read".into(), "clean".into()],
        path: Some("sales.csv".into()),
        format: "CSV".into(),
        bytes: 1000,
        modified: Some(at(5)),
        columns_read: 2,
        columns: 16,
        from: None,
    };
    let frame = ReadRecord { path: None, modified: None, from: Some("read".into()), ..read.clone() };
    run.reads = vec![read, frame];
    let lookup = LookupRecord { factory: "read".into(), hit: true, because: None };
    run.lookups = vec![LookupRecord { hit: false, because: Some("age".into()), ..lookup.clone() }, lookup];
    run
}

fn fresh() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = History::path_in(&directory.path().join("not/yet/there"));
    (directory, path)
}

#[test]
fn what_was_recorded_is_read() {
    let (_directory, path) = fresh();
    let runs = [run("a", "Nightly", 1), full(), run("b", "Nightly", 9), run("c", "Other", 2)];
    let history = History::open(&path).unwrap();
    // The order of recording is not the order of starting.
    for run in [2, 0, 3, 1].map(|at| &runs[at]) {
        history.record(run).unwrap();
    }
    drop(history);
    let history = History::open(&path).unwrap();
    assert_eq!(history.set_aside(), None);
    assert_eq!(history.runs("Nightly", 99).unwrap(), &runs[..3]);
    assert_eq!(history.runs("Nightly", 2).unwrap(), &runs[1..3], "the last");
    assert_eq!(history.run("full").unwrap().as_ref(), Some(&runs[1]));
    assert_eq!(history.run("none").unwrap(), None);
    assert_eq!(history.pipelines().unwrap(), ["Nightly", "Other"]);
    let observations = history.observations("Nightly", "clean").unwrap();
    assert_eq!(observations.iter().map(|one| &*one.run_id).collect::<Vec<_>>(), ["a", "full", "b"]);
    assert_eq!(observations[1].record, runs[1].factories[1]);
    let choices = history.choices("Nightly", 2).unwrap();
    assert_eq!((&*choices[0].run_id, &choices[0].record), ("full", &runs[1].choices[0]));
    assert_eq!(history.choices("Nightly", 1).unwrap(), [], "of the last only");
    let strategies = history.strategies("Nightly").unwrap();
    assert_eq!((strategies[1].strategy.len(), strategies[1].makespan), (2, runs[1].makespan));
}

#[test]
fn what_was_measured_is_read_without_what_was_not() {
    let (_directory, path) = fresh();
    let history = History::open(&path).unwrap();
    for second in 0..3 {
        let mut run = full();
        (run.run_id, run.started) = (second.to_string(), at(second));
        history.record(&run).unwrap();
    }
    let runs = history.measured("Nightly", 9, 2).unwrap();
    assert_eq!(runs.iter().map(|run| run.factories[1].files.len()).collect::<Vec<_>>(), [0, 2, 2]);
    let whole = RunRecord { run_id: "2".into(), started: at(2), ..full() };
    assert!(whole.predicted.is_some() && !whole.choices.is_empty() && !whole.lookups.is_empty());
    let (cores, links) = (None, Vec::new());
    let (choices, reads, lookups) = Default::default();
    assert_eq!(runs[2], RunRecord { predicted: None, cores, links, choices, reads, lookups, ..whole });
}

#[test]
fn of_very_many_factories_fewer_runs_are_read() {
    let (_directory, path) = fresh();
    let history = History::open(&path).unwrap();
    for second in 0..4 {
        let mut run = full();
        (run.run_id, run.started) = (second.to_string(), at(second));
        run.factories = vec![FactoryRecord::new("one of many", "", Duration::ZERO); 8_000];
        history.record(&run).unwrap();
    }
    let of = |runs: &[RunRecord]| runs.iter().map(|run| run.run_id.clone()).collect::<Vec<_>>();
    assert_eq!(of(&history.measured("Nightly", 9, 9).unwrap()), ["2", "3"]);
    assert_eq!(history.runs("Nightly", 9).unwrap().len(), 4);
}

#[test]
fn a_record_is_the_same_as_json() {
    let text = serde_json::to_string(&full()).unwrap();
    assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), full());
}

#[test]
fn a_run_that_is_recorded_again_takes_the_place_of_the_first() {
    let (_directory, path) = fresh();
    let history = History::open(&path).unwrap();
    history.record(&full()).unwrap();
    let mut again = run("full", "Nightly", 7);
    again.factories.pop();
    history.record(&again).unwrap();
    assert_eq!(history.runs("Nightly", 9).unwrap(), [again]);
    assert_eq!(history.observations("Nightly", "clean").unwrap(), []);
    assert_eq!(history.choices("Nightly", 9).unwrap(), []);
}

#[test]
fn old_and_many_runs_are_forgotten() {
    let (_directory, path) = fresh();
    let history = History::open(&path).unwrap();
    for second in 0..20 {
        history.record(&run(&format!("n{second}"), "Nightly", second)).unwrap();
    }
    history.record(&run("other", "Other", 12)).unwrap();
    let keep = Retention { runs: 5, age: Duration::from_secs(10) };
    assert_eq!(history.prune(keep, at(21)).unwrap(), 15);
    assert_eq!(history.runs("Nightly", 99).unwrap().len(), 5);
    assert_eq!(history.observations("Nightly", "read").unwrap().len(), 5, "with their parts");
    assert_eq!(history.pipelines().unwrap(), ["Nightly", "Other"]);
    assert_eq!(history.prune(keep, at(30)).unwrap(), 6);
    assert_eq!(history.prune(Retention::default(), at(30)).unwrap(), 0);
}

#[test]
fn a_truncated_file_is_set_aside() {
    for length in [600, 5000, 20_000] {
        let (_directory, path) = fresh();
        let history = History::open(&path).unwrap();
        (0..50).for_each(|second| history.record(&run(&second.to_string(), "Nightly", second)).unwrap());
        drop(history);
        let file = fs::File::options().write(true).open(&path).unwrap();
        assert!(file.metadata().unwrap().len() > length);
        file.set_len(length).unwrap();
        let history = History::open(&path).unwrap();
        let aside = history.set_aside().unwrap();
        assert_eq!(fs::metadata(aside).unwrap().len(), length, "whatever is left can still be looked at");
        assert_eq!(history.runs("Nightly", 9).unwrap(), []);
        history.record(&full()).unwrap();
        drop(history);
        assert_eq!(History::open(&path).unwrap().runs("Nightly", 9).unwrap(), [full()]);
    }
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let (_directory, path) = fresh();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(
        &path,
        "not a database, but longer than the header of one is, which has a hundred bytes".repeat(9),
    )
    .unwrap();
    let history = History::open(&path).unwrap();
    assert!(history.set_aside().unwrap().to_string_lossy().contains("history.sqlite.damaged-"));
}

#[test]
fn damage_that_shows_later_is_told_and_the_next_run_begins_anew() {
    let (_directory, path) = fresh();
    drop(History::open(&path).unwrap());
    let of_schema = fs::metadata(&path).unwrap().len() as usize;
    let history = History::open(&path).unwrap();
    (0..200).for_each(|second| history.record(&run(&second.to_string(), "Nightly", second)).unwrap());
    drop(history);
    let mut bytes = fs::read(&path).unwrap();
    // Everything except the pages of an empty history, with the schema.
    bytes[of_schema..].fill(0xAB);
    fs::write(&path, bytes).unwrap();
    let history = History::open(&path).unwrap();
    let error = history.runs("Nightly", 99).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, HistoryError::Damaged { aside: Some(_), .. }), "{error:?}");
    assert!(
        text.contains("is damaged and was renamed to") && text.ends_with("the next run begins a new one"),
        "{text}"
    );
    assert_eq!(History::open(&path).unwrap().runs("Nightly", 99).unwrap(), []);
}

#[test]
fn a_file_of_the_first_format_is_read_and_added_to() {
    let (_directory, path) = fresh();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(open::MIGRATIONS[0]).unwrap();
    old.execute_batch(
        "INSERT INTO runs VALUES (1, 'old', 'Nightly', 5, '0.1.0', 1, '{}', 7, NULL, NULL, 1);
         INSERT INTO subplans VALUES (1, 0, 'f1', '[]', 3, NULL, NULL);
         PRAGMA application_id = 1936028780; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let history = History::open(&path).unwrap();
    history.record(&full()).unwrap();
    let runs = history.runs("Nightly", 9).unwrap();
    assert_eq!((&*runs[0].run_id, runs[0].subplans[0].whole_of.len(), runs[0].links.len()), ("old", 0, 0));
    assert_eq!(runs[1], full());
}

#[test]
fn a_file_of_the_first_format_is_brought_up_to_date() {
    let (_directory, path) = fresh();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(open::MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "application_id", 0x7365_746c).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch(
        "INSERT INTO runs VALUES (1, 'a', 'Nightly', 1000000000, '0.1.0', 1, '{}', 0, NULL, NULL, 1);
         INSERT INTO factories VALUES (1, 0, 'read', 'aa', 'ok', 1000000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
         NULL, NULL);
         INSERT INTO factories VALUES (1, 1, 'clean', '00ff', 'ok', 1500000000, NULL, NULL, 10, NULL, NULL, NULL, NULL, NULL, \
         NULL, NULL);",
    )
    .unwrap();
    drop(old);
    let history = History::open(&path).unwrap();
    let mut expected = run("a", "Nightly", 1);
    expected.version = "0.1.0".into();
    assert_eq!(history.runs("Nightly", 9).unwrap(), [expected]);
    history.record(&full()).unwrap();
    assert_eq!(history.run("full").unwrap(), Some(full()));
}

#[test]
fn a_file_from_before_errors_were_kept_keeps_its_runs() {
    let (_directory, path) = fresh();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let old = Connection::open(&path).unwrap();
    open::MIGRATIONS[..3].iter().for_each(|migration| old.execute_batch(migration).unwrap());
    old.execute_batch(
        "INSERT INTO runs VALUES (1, 'a', 'Nightly', 1000000000, '0.1.0', 1, '{}', 0, NULL, NULL, 0, 5);
         INSERT INTO factories VALUES (1, 0, 'read', 'aa', 'failed', 1000000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
         NULL, NULL, 3, 2);
         PRAGMA application_id = 1936028780; PRAGMA user_version = 3;",
    )
    .unwrap();
    drop(old);
    let history = History::open(&path).unwrap();
    assert_eq!(history.set_aside(), None);
    let run = history.run("a").unwrap().unwrap();
    let read = &run.factories[0];
    assert_eq!(
        (&run.error, read.status, read.attempts, &read.error),
        (&None, FactoryStatus::Failed, None, &None)
    );
    assert_eq!(read.queries, Duration::from_nanos(2));
    history.record(&full()).unwrap();
    assert_eq!(history.run("full").unwrap(), Some(full()));
    assert_eq!(history.observations("Nightly", "clean").unwrap()[0].record, full().factories[1]);
}

#[test]
fn a_newer_file_is_left_alone() {
    let (_directory, path) = fresh();
    History::open(&path).unwrap().record(&full()).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = History::open(&path).unwrap_err();
    assert!(matches!(error, HistoryError::Newer { found: 99, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("has format 99") && text.contains("update setl"), "{text}");
    let format: u32 =
        Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(format, 99);
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let (_directory, path) = fresh();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    let error = History::open(&path).unwrap_err();
    assert!(matches!(error, HistoryError::Foreign { .. }), "{error:?}");
    assert!(!path.with_file_name("history.sqlite-wal").exists(), "not even its journal was changed");
}

#[test]
fn a_place_that_cannot_be_is_named() {
    let (_directory, path) = fresh();
    fs::create_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
    fs::write(path.parent().unwrap(), "a file").unwrap();
    let error = History::open(&path).unwrap_err();
    assert!(matches!(error, HistoryError::Io { action: "create", .. }), "{error:?}");
    assert!(error.to_string().contains("SETL_STATE_DIR"));
}

const WRITER: &str = "SETL_TEST_HISTORY_WRITER";
const EACH: u64 = 20;

/// Run in other processes by the test below.
#[test]
fn writer() {
    let Some(value) = env::var_os(WRITER) else { return };
    let value = value.into_string().unwrap();
    let (name, path) = value.split_once('=').unwrap();
    for second in 0..EACH {
        // The history is opened each time, as by separate programs.
        History::open(path).unwrap().record(&run(&format!("{name}{second}"), "Nightly", second)).unwrap();
    }
}

#[test]
fn processes_and_threads_write_at_once() {
    let (_directory, path) = fresh();
    let start = |name: &str| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "history::tests::writer", "--nocapture"]);
        command.env(WRITER, format!("{name}={}", path.display())).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let mut writers = ["a", "b", "c"].map(start);
    let history = History::open(&path).unwrap();
    thread::scope(|scope| {
        for name in ["d", "e"] {
            let history = &history;
            scope.spawn(move || {
                for second in 0..EACH {
                    history.record(&run(&format!("{name}{second}"), "Nightly", second)).unwrap();
                    history.runs("Nightly", 3).unwrap();
                }
            });
        }
    });
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
    }
    let runs = history.runs("Nightly", 9999).unwrap();
    assert_eq!(runs.len() as u64, 5 * EACH);
    assert!(runs.iter().all(|run| run.factories.len() == 2), "none in part");
}

#[test]
fn a_history_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<History>();
    shared::<HistoryError>();
}

#[cfg(unix)]
#[test]
fn what_others_may_have_made_is_no_history() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    let (_directory, path) = fresh();
    let history = History::open(&path).unwrap();
    history.record(&RunRecord::new("01", "Nightly", SystemTime::UNIX_EPOCH)).unwrap();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    drop(history);
    let refused = |of: &str| {
        let error = format!("{:#}", anyhow::Error::new(History::open(&path).unwrap_err()));
        assert!(error.contains(of), "{error}");
    };
    let set_mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(&path, 0o666);
    refused("history.sqlite has the mode 0666");
    set_mode(&path, 0o600);
    set_mode(path.parent().unwrap(), 0o777);
    refused("has the mode 0777");
    set_mode(path.parent().unwrap(), 0o700);
    // The files that SQLite reads beside the history.
    let elsewhere = path.with_file_name("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let planted = path.with_file_name(format!("history.sqlite{suffix}"));
        let _ = fs::remove_file(&planted);
        symlink(&elsewhere, &planted).unwrap();
        assert!(History::open(&path).is_err(), "{suffix}");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
        fs::remove_file(&planted).unwrap();
    }
    assert!(History::open(&path).is_ok());
}
