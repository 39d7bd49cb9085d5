//! How runs that save end: what they leave beside their targets, and who is told to be at fault.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::scratch::Scratch;
use setl::dataset::Dataset;
use setl::prelude::*;
use setl::run::Phase;
use setl::storage::Parquet;

#[derive(Row, Clone, Debug, PartialEq)]
struct Number {
    number: u64,
}

/// So many that they are not saved at once.
const ROWS: u64 = 60_000;

#[factory]
fn numbers() -> Result<Dataset<Number>> {
    Dataset::from_rows(&(0..ROWS).map(|number| Number { number }).collect::<Vec<_>>())
}

#[derive(Clone)]
struct Targets(Vec<Repository<Number>>);

impl Targets {
    fn new(scratch: &Scratch) -> Self {
        Self(vec![
            Csv::create(scratch.path("a.csv")).unwrap(),
            Parquet::at(scratch.path("b")).rows_per_file(1000).create().unwrap(),
        ])
    }
}

#[factory]
async fn save_file(numbers: Dataset<Number>, targets: Targets) -> Result<()> {
    targets.0[0].save(&numbers).await.map(drop)
}

#[factory]
async fn save_directory(numbers: Dataset<Number>, targets: Targets) -> Result<()> {
    targets.0[1].save(&numbers).await.map(drop)
}

/// How long after it could begin a factory fails.
#[derive(Clone, Copy)]
struct After(Duration);

#[factory]
async fn fails(_numbers: Dataset<Number>, after: After) -> Result<u8> {
    tokio::time::sleep(after.0).await;
    Err(setl::Error::msg("told to fail"))
}

#[pipeline(extract(numbers), load(save_file, save_directory, fails))]
struct Failing {
    targets: Targets,
    after: After,
}

#[pipeline(extract(numbers), load(save_file, save_directory))]
struct Saving {
    targets: Targets,
}

/// Whoever is still saving when a run ends leaves nothing behind when it has ended.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_when_a_run_has_failed() {
    let scratch = Scratch::new();
    for round in 0..60 {
        let after = After(Duration::from_micros(round % 30 * 400));
        let run = Failing { targets: Targets::new(&scratch), after }.run().state_dir(scratch.path("state"));
        #[cfg(feature = "optimize")]
        let run = match round % 2 {
            0 => run.optimizer(setl::optimize::Optimizer::off()),
            _ => run,
        };
        let error = run.await.unwrap_err();
        assert!(error.failures().iter().any(|failure| failure.factory == "fails"), "{error:?}");
        assert_eq!(scratch.names(), [""; 0], "in round {round}");
    }
}

/// A run that is dropped is over when its blocking work is, so that is waited for here by a second run.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_leaves_nothing_once_its_work_has_ended() {
    let scratch = Scratch::new();
    for round in 0..30 {
        let targets = Targets::new(&scratch);
        let run = Saving { targets }.run().state_dir(scratch.path("state"));
        let limit = Duration::from_micros(round * 700);
        let _ = tokio::time::timeout(limit, run).await;
    }
    let beside = || scratch.names().into_iter().filter(|name| name.starts_with('.')).count();
    while beside() > 0 {
        tokio::task::yield_now().await;
    }
}

/// A file where the state directory should be is nobody's fault among the factories.
#[tokio::test]
async fn a_state_directory_that_cannot_be_is_no_factorys_fault() {
    let scratch = Scratch::new();
    let state = scratch.file("state", "");
    let error = Saving { targets: Targets::new(&scratch) }.run().state_dir(&state).await.unwrap_err();
    let [failure] = error.failures() else { panic!("{error:?}") };
    assert_eq!((&*failure.factory, &*failure.stage, failure.phase), ("", "", Phase::Commit));
    let text = error.full();
    assert!(text.contains("\nthe run failed in commit\n"), "{text}");
    assert!(text.contains(&*state.to_string_lossy()) && text.contains("SETL_STATE_DIR"), "{text}");
    assert!(!text.contains("`numbers`"), "{text}");
    assert_eq!(scratch.names(), ["state"]);
}

/// What is saved by a task that nobody waits for is never committed, so it is refused.
#[factory]
async fn spawns(targets: Targets, context: Context, later: Later) -> Result<u8> {
    let numbers = Dataset::from_rows(&[Number { number: 1 }])?;
    let (go, done) = (later.go.clone(), later.done.clone());
    let saved = context.scope(async move {
        let _ = go.acquire().await;
        let saved = targets.0[0].save(&numbers).await;
        *done.lock().await = Some(saved.map_err(|error| error.to_string()));
        go.close();
    });
    tokio::spawn(saved);
    Ok(1)
}

#[derive(Clone)]
struct Later {
    go: Arc<tokio::sync::Semaphore>,
    done: Arc<tokio::sync::Mutex<Option<Result<usize, String>>>>,
}

#[pipeline(load(spawns))]
struct Spawning {
    targets: Targets,
    later: Later,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_after_a_run_is_refused() {
    let scratch = Scratch::new();
    let later = Later { go: Arc::new(tokio::sync::Semaphore::new(0)), done: Arc::default() };
    let spawning = Spawning { targets: Targets::new(&scratch), later: later.clone() };
    spawning.run().state_dir(scratch.path("state")).await.unwrap();
    later.go.add_permits(1);
    while !later.go.is_closed() {
        tokio::task::yield_now().await;
    }
    let error = later.done.lock().await.take().unwrap().unwrap_err();
    assert!(error.contains("this is saved too late") && error.contains("`Spawning`"), "{error}");
    assert_eq!(scratch.names(), [""; 0]);
}

/// Whose state directory cannot be looked at can still save one target, for which no journal is needed.
#[tokio::test]
async fn an_unreadable_state_directory_is_noted() {
    #[pipeline(extract(numbers), load(save_file))]
    struct One {
        targets: Targets,
    }
    let scratch = Scratch::new();
    let state = scratch.file("state", "");
    let run = One { targets: Targets::new(&scratch) }.run().state_dir(&state).await.unwrap();
    let note = run.entry("save_file").unwrap().note.clone().unwrap();
    assert!(note.contains("what earlier runs have left cannot be looked at"), "{note}");
    assert!(fs::read_to_string(scratch.path("a.csv")).unwrap().lines().count() as u64 == ROWS + 1);
}
