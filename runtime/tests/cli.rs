//! The command `setl`, as it is run in a shell.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use setl::optimize::{
    Basis, ChoiceRecord, FactoryRecord, History, Interval, Learning, Prediction, ReadRecord, RunRecord,
};
use setl::prelude::*;
use tempfile::TempDir;

fn command(arguments: &[&str], state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_setl"));
    command.args(arguments).current_dir(state).env("SETL_STATE_DIR", state);
    command
}

fn setl(arguments: &[&str], state: &TempDir) -> Output {
    command(arguments, state.path()).output().unwrap()
}

/// What it prints when all goes well.
fn says(arguments: &[&str], state: &TempDir) -> String {
    let output = setl(arguments, state);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it prints when it cannot.
fn fails(arguments: &[&str], state: &TempDir) -> String {
    let output = setl(arguments, state);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: "), "{text}");
    text
}

/// Ten nights, of which the sixth failed; `join` waits for `read`.
fn history() -> TempDir {
    let state = tempfile::tempdir().unwrap();
    let history = History::open(History::path_in(state.path())).unwrap();
    for night in 0..10_u64 {
        let started = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * night + 2);
        let mut run = RunRecord::new(format!("night-{night}"), "Nightly", started);
        let factory = |name, seconds| FactoryRecord::new(name, "c0de", Duration::from_secs(seconds));
        run.factories = vec![factory("read", 1), factory("join", 9)];
        (run.cores, run.workers, run.links) = (Some(2), 2, vec![(0, 1)]);
        run.makespan = Duration::from_secs(10);
        run.succeeded = night != 5;
        let (alternative, wall, because) = match night {
            3 => ("streaming", 12, "tried, since nothing is known of it"),
            _ => ("in memory", 31, "as is guessed"),
        };
        run.choices = vec![ChoiceRecord {
            choice: "engine".into(),
            fingerprint: "0123456789abcdef".into(),
            factories: vec!["join".into()],
            alternative: alternative.into(),
            tried: night == 3,
            wall: Duration::from_millis(wall),
            size: None,
            because: because.into(),
        }];
        run.reads = vec![ReadRecord {
            factories: vec!["read".into()],
            path: Some("/data/sales.csv".into()),
            format: "CSV".into(),
            bytes: 1_000_000,
            modified: None,
            columns_read: 2,
            columns: 16,
            from: None,
        }];
        history.record(&run).unwrap();
    }
    let mut other = RunRecord::new("other", "Hourly", SystemTime::UNIX_EPOCH);
    other.makespan = Duration::from_millis(1500);
    history.record(&other).unwrap();
    state
}

fn json(arguments: &[&str], state: &TempDir) -> serde_json::Value {
    serde_json::from_str(&says(&[arguments, &["--json"]].concat(), state)).unwrap()
}

#[test]
fn pipelines_are_listed() {
    let state = history();
    let text = says(&["history"], &state);
    let expected = "
 pipeline   runs     took   predicted   held   last run               status
─────────────────────────────────────────────────────────────────────────────
 Hourly        1   1.50 s                      1970-01-01T00:00:00Z   ok
 Nightly      10   10.0 s                      1970-01-10T02:00:00Z   ok
";
    assert_eq!(format!("\n{text}"), expected);
    let value = json(&["history"], &state);
    assert_eq!((&value[1]["pipeline"], &value[1]["runs"]), (&"Nightly".into(), &10.into()));
    assert_eq!(value[1]["last"]["seconds"], 10.0);
}

#[test]
fn a_pipeline_has_its_runs_factories_and_choices() {
    let state = history();
    let text = says(&["history", "Nightly", "--last", "6"], &state);
    for part in [
        "pipeline Nightly, the last 6 of 10 runs",
        "night-5   1970-01-06T02:00:00Z   failed   10.0 s",
        "night-9",
        "join      ok         9.00 s   9.00 s        10",
        "engine   join   01234567   in memory   in memory 9, streaming 1   as is guessed",
        "makespans",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("night-3"), "{text}");
    let value = json(&["history", "Nightly", "--last", "7"], &state);
    assert_eq!(value["runs"].as_array().unwrap().len(), 7);
    assert_eq!(value["runs"][0]["choices"][0]["alternative"], "streaming");
    assert_eq!(value["runs"][2]["succeeded"], false);
}

#[test]
fn a_run_is_found_by_how_its_id_begins() {
    let state = history();
    let text = says(&["history", "Nightly", "--run", "night-3"], &state);
    for part in [
        "pipeline Nightly, run night-3",
        "2 at once",
        "tried, since nothing is known of it",
        "/data/sales.csv   CSV      1.00 MB   2 of 16   read",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert_eq!(json(&["history", "Nightly", "--run", "night-3"], &state)["run_id"], "night-3");
    let text = fails(&["history", "Nightly", "--run", "night"], &state);
    assert!(text.contains("10 runs of pipeline `Nightly` begin with `night`: night-0, night-1"), "{text}");
    let text = fails(&["history", "Nightly", "--run", "day"], &state);
    assert!(text.contains("no run `day` of pipeline `Nightly`: `setl history Nightly` lists them"), "{text}");
}

#[factory(retry(times = 2, backoff = "1ms"))]
fn orders() -> Result<Vec<u32>> {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    Err(setl::Error::new(refused).context("cannot ask\nthe service of orders"))
}

#[factory]
fn total(orders: Vec<u32>) -> u32 {
    orders.iter().sum()
}

#[factory(on_failure = skip)]
fn weather() -> Result<i8> {
    Err(setl::Error::msg(format!("it {}rains", "really ".repeat(2000))))
}

#[factory]
fn show(#[delivery(optional)] weather: Option<i8>) {
    assert!(weather.is_none());
}

#[pipeline(extract(orders, weather), load(total, show))]
struct Failing;

#[tokio::test]
async fn why_a_factory_failed_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let outcome = Failing.run().state_dir(state.path()).learn(Learning::new()).keep_going().outcome().await;
    assert_eq!(outcome.code(), 3);
    let id = outcome.report().unwrap().run_id().to_string();
    let text = says(&["history", "Failing", "--run", &id], &state);
    let error = "orders: factory `orders` of stage `extract` failed in process after 3 attempts: cannot ask the service of \
                 orders: connection refused";
    assert!(text.contains(error) && text.contains("failed (3 attempts)"), "{text}");
    let skipped = text.lines().find(|line| line.starts_with("weather: ")).unwrap();
    assert!(skipped.len() < 2100 && skipped.contains("it failed: it really"), "{skipped}");
    assert!(skipped.ends_with("really rains"), "{skipped}");
    let value = json(&["history", "Failing", "--run", &id], &state);
    assert_eq!(
        (&value["factories"][0]["attempts"], &value["factories"][2]["error"]),
        (&3.into(), &().into())
    );
    assert!(value["factories"][0]["error"].as_str().unwrap().ends_with("connection refused"));
}

#[factory]
async fn endless() -> u64 {
    std::future::pending().await
}

#[pipeline(only(endless))]
struct Endless;

#[tokio::test]
async fn why_a_run_ended_early_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let run = Endless.run().state_dir(state.path()).learn(Learning::new());
    let outcome = run.deadline(Duration::from_millis(1)).outcome().await;
    assert_eq!(outcome.code(), 124);
    let id = outcome.report().unwrap().run_id().to_string();
    let text = says(&["history", "Endless", "--run", &id], &state);
    assert!(text.contains("\nthe run: the deadline of the run passed\n"), "{text}");
}

#[test]
fn what_was_predicted_and_what_drifts_is_shown() {
    let state = tempfile::tempdir().unwrap();
    let history = History::open(History::path_in(state.path())).unwrap();
    for day in 0..20_u64 {
        let started = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * day);
        let mut run = RunRecord::new(format!("day-{day:02}"), "Daily", started);
        let slow = if day < 15 { 1.0 } else { 2.5 };
        let wall = Duration::from_secs_f64(slow * (1.0 + 0.01 * (day % 3) as f64));
        (run.factories, run.makespan) = (vec![FactoryRecord::new("clean", "c0de", wall)], wall);
        run.factories[0].predicted = Some(Interval { low: 0.9, median: 1.0, high: 1.1 });
        history.record(&run).unwrap();
    }
    let text = says(&["history", "Daily"], &state);
    assert!(text.contains("15 of 20 times of factories were within their intervals"), "{text}");
    let drift = "`clean` takes 2.5 times what was predicted from 15 runs since run day-15, 5 runs ago";
    assert!(text.contains(drift), "{text}");
    assert!(says(&["history"], &state).contains(&format!("Daily: {drift}")));
    assert_eq!(json(&["history"], &state)[0]["drifts"][0], drift);
}

#[test]
fn a_prediction_of_no_use_is_not_shown() {
    let state = history();
    let history = History::open(History::path_in(state.path())).unwrap();
    let predicted = |id: &str, high: f64, basis: Basis| {
        let mut run = history.run(id).unwrap().unwrap();
        run.predicted = Some(Prediction {
            pipeline: "Nightly".into(),
            workers: 2,
            makespan: Interval { low: 6.0, median: 11.0, high },
            peak_bytes: None,
            basis,
            factories: Vec::new(),
            batches: Vec::new(),
        });
        history.record(&run).unwrap();
        let text = says(&["history", "Nightly", "--run", id], &state);
        text.lines().nth(1).unwrap().to_owned()
    };
    let known = predicted("night-7", 24.0, Basis::Observed(3));
    assert!(known.contains("took 10.0 s, predicted 11.0 s (6.00 to 24.0), 2 at once"), "{known}");
    for of_no_use in
        [predicted("night-8", 24.1, Basis::Observed(9)), predicted("night-9", 20.0, Basis::Observed(2))]
    {
        assert!(of_no_use.contains("took 10.0 s, predicted not known yet, 2 at once"), "{of_no_use}");
    }
    let text = says(&["history", "Nightly", "--last", "3"], &state);
    let held = |id: &str| text.lines().find(|line| line.contains(id)).unwrap().ends_with("yes");
    assert_eq!(["night-7", "night-8", "night-9"].map(held), [true, false, false], "{text}");
}

#[test]
fn what_to_change_is_said() {
    let state = history();
    let text = says(&["recommend", "Nightly"], &state);
    let expected = "split `join` into parts that run at once: it is 90 % of the critical path, 9.00 s of 10.0 s (median of 9 \
                    runs); saves about 4.50 s in each run\n";
    assert_eq!(text, expected);
    let value = json(&["recommend", "Nightly"], &state);
    assert_eq!((&value[0]["kind"], &value[0]["seconds"]), (&"split".into(), &4.5.into()));
    assert_eq!(says(&["recommend", "Hourly"], &state), "nothing that 1 run bears out for pipeline Hourly\n");
}

#[test]
fn what_is_not_there_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let text = fails(&["history"], &empty);
    let path = History::path_in(empty.path());
    let expected = format!("there is no history {}: a run records it that is told to", path.display());
    assert!(text.contains(&expected) && text.contains("--state-dir"), "{text}");
    assert!(!path.exists(), "none is made");
    let state = history();
    // What is said goes before the environment.
    let given = state.path().to_str().unwrap();
    assert!(says(&["history", "--state-dir", given], &empty).contains("Nightly"));
    let text = fails(&["recommend", "nighly"], &state);
    let expected =
        "has no run of pipeline `nighly`, did you mean `Nightly`? It has runs of `Hourly`, `Nightly`";
    assert!(text.contains(expected), "{text}");
    let text = fails(&["history", "Quarterly"], &state);
    assert!(text.contains("has no run of pipeline `Quarterly`. It has runs of"), "{text}");
    fs::write(
        &path,
        "no database at all, but longer than the header of one is, which has a hundred bytes".repeat(9),
    )
    .unwrap();
    let text = fails(&["history"], &empty);
    assert!(text.contains("is damaged and was renamed to"), "{text}");
}

#[test]
fn what_it_does_not_know_is_an_exit_code_of_its_own() {
    let state = history();
    for arguments in [
        &["histroy"][..],
        &[],
        &["history", "--run", "x"],
        &["cache", "prune", "--max-age", "soon"],
        &["cache", "prune", "--max-bytes", "5 GBs"],
    ] {
        let output = setl(arguments, &state);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let text = says(&["--help"], &state);
    assert!(text.contains("history") && text.contains("recommend") && text.contains("cache"), "{text}");
}

#[factory(cache)]
fn rates() -> Vec<u32> {
    vec![1, 2, 3]
}

#[pipeline(only(rates))]
struct Cached;

#[tokio::test]
async fn the_cache_is_listed_pruned_and_cleared() {
    let state = tempfile::tempdir().unwrap();
    assert!(says(&["cache", "list"], &state).starts_with("nothing is kept in "));
    for _ in 0..2 {
        Cached.run().state_dir(state.path()).await.unwrap();
    }
    let text = says(&["cache", "list"], &state);
    assert!(text.contains("Cached     rates") && text.contains("1 output of "), "{text}");
    let value = json(&["cache", "list"], &state);
    assert_eq!((&value[0]["factory"], &value[0]["hits"]), (&"rates".into(), &1.into()));
    assert!(says(&["cache", "prune", "--max-bytes", "5GB"], &state).starts_with("nothing was removed"));
    let text = says(&["cache", "prune", "--max-bytes", "1000000", "--max-age", "7d"], &state);
    assert!(text.starts_with("nothing was removed from "), "{text}");
    let text = says(&["cache", "prune", "--max-bytes", "10"], &state);
    assert!(text.contains("removed 1 output of "), "{text}");
    Cached.run().state_dir(state.path()).await.unwrap();
    assert_eq!(json(&["cache", "clear"], &state).as_array().unwrap().len(), 1);
    assert!(says(&["cache", "list"], &state).starts_with("nothing is kept in "));
}

/// A commit that was killed after its decision, of two files in `out`.
#[cfg(unix)]
fn killed_commit(state: &TempDir) -> std::path::PathBuf {
    use setl::commit::{StagedFile, StagedWrite, commit_together};

    let out = state.path().join("out");
    fs::create_dir(&out).unwrap();
    let stage = |name: &str| -> Box<dyn StagedWrite> {
        let staged = StagedFile::beside(out.join(name)).unwrap();
        fs::write(staged.path(), "new").unwrap();
        Box::new(staged)
    };
    // A directory takes the place of the second while its commit is under way, by a write between the two.
    #[derive(Debug)]
    struct InTheWay(std::path::PathBuf);
    impl StagedWrite for InTheWay {
        fn target(&self) -> String {
            "in the way".to_owned()
        }
        fn commit(self: Box<Self>) -> setl::Result<()> {
            Ok(fs::create_dir(&self.0)?)
        }
        fn rollback(self: Box<Self>) -> setl::Result<()> {
            Ok(())
        }
    }
    let error =
        commit_together(state.path(), vec![stage("a"), Box::new(InTheWay(out.join("b"))), stage("b")]);
    assert!(format!("{:#}", error.unwrap_err()).contains("out/b"));
    out
}

#[cfg(unix)]
#[test]
fn what_killed_runs_have_left_is_recovered_or_set_aside() {
    let state = tempfile::tempdir().unwrap();
    assert!(says(&["recover"], &state).starts_with("nothing is to be recovered in "));
    let out = killed_commit(&state);
    let output = setl(&["recover"], &state);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains(".journal cannot be recovered: cannot replace ") && error.contains("out/b"),
        "{error}"
    );
    let json = says(&["recover", "--json"], &state);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let journal = json["kept"][0]["journal"].as_str().unwrap().to_owned();
    assert!(error.contains(&format!("`setl recover --set-aside {journal}`")), "{error}");

    let text = says(&["recover", "--set-aside", &journal], &state);
    let aside = text.lines().nth(1).unwrap().strip_prefix("what was to be committed lies in ").unwrap();
    assert_eq!(fs::read_to_string(aside).unwrap(), "new");
    assert!(says(&["recover"], &state).starts_with("nothing is to be recovered in "));
    assert!(fails(&["recover", "--set-aside", &journal], &state).contains("cannot open "));
    assert_eq!(fs::read_to_string(out.join("a")).unwrap(), "new");

    let other = tempfile::tempdir().unwrap();
    let out = killed_commit(&other);
    fs::remove_dir(out.join("b")).unwrap();
    assert!(says(&["recover"], &other).ends_with("out/b holds the new data now\n"));
    assert_eq!(fs::read_to_string(out.join("b")).unwrap(), "new");
}
