//! What cannot start, and what is ended.

use std::time::Duration;

use setl::Context;
use setl::polars::prelude::*;
use setl::prelude::*;
use setl::run::RunError;
use setl::storage::{Parquet, Repository};

const MIB: u64 = 1 << 20;

#[derive(Row)]
struct Sum {
    sum: u64,
}

#[factory(memory = "100 GiB")]
fn huge() -> u8 {
    0
}

#[pipeline(only(huge))]
struct Huge;

#[tokio::test]
async fn what_needs_more_than_there_is_cannot_start() {
    let error = Huge.run().memory_limit(50 << 30).outcome().await;
    assert_eq!(error.code(), 2);
    let text = error.error().unwrap().to_string();
    let (before, after) = text.split_once(" leaves ").unwrap();
    assert!(
        before.ends_with("factory `huge` needs 100 GiB (its `memory`), and the memory limit of 50 GiB"),
        "{text}"
    );
    // How much that is depends on what the process holds.
    let (left, rest) = after.split_once(" GiB ").unwrap();
    let left: f64 = left.parse().unwrap();
    assert!(left > 40.0 && left <= 50.0, "{text}");
    assert!(rest.starts_with("beside what the process holds already: raise `memory_limit`"), "{text}");
    let error = Huge.run().memory_limit(MIB).await.unwrap_err().to_string();
    assert!(error.contains("the memory limit is 1 MiB, and the process holds "), "{error}");
    #[cfg(feature = "optimize")]
    {
        let error = Huge.run().memory_limit(50 << 30).explain().unwrap_err().to_string();
        assert!(error.contains("factory `huge` needs 100 GiB"), "{error}");
    }
    assert!(Huge.run().await.is_ok(), "without a limit it does not matter");
}

#[factory]
async fn sum() -> Result<i64> {
    let numbers = setl::polars::df!("number" => [1_i64, 2])?.lazy().select([col("number").sum()]);
    Ok(setl::collect(numbers).await?.column("number")?.i64()?.get(0).unwrap_or_default())
}

#[pipeline(only(sum))]
struct Summed;

#[cfg(feature = "optimize")]
#[tokio::test]
async fn queries_are_bounded_without_the_optimiser_too() {
    use setl::optimize::{Optimizer, Pass};
    for optimizer in [Optimizer::off(), Optimizer::new().without(Pass::Gather), Optimizer::new()] {
        let run = Summed.run().optimizer(optimizer).memory_limit(50 << 30).await.unwrap();
        let engines: Vec<_> = run.queries().iter().flat_map(|queries| queries.engines.clone()).collect();
        assert_eq!((*run.get::<sum>(), engines), (3, vec!["streaming"]));
    }
    let run = Summed.run().optimizer(Optimizer::off()).await.unwrap();
    assert!(run.queries().is_empty());
}

#[cfg(feature = "config")]
#[tokio::test]
async fn settings_say_otherwise() {
    let settings = |text: &str| text.parse::<setl::policy::Settings>().unwrap();
    let run = Huge.run().memory_limit(50 << 30).settings(settings("factory.huge.memory = '1 GiB'"));
    let run = run.await.unwrap();
    assert_eq!(run.report().memory().unwrap().limit, 50 << 30);
    let text = run.to_string();
    assert!(text.contains("\nmemory: at most ") && text.contains(" of 50 GiB"), "{text}");
    let run = Huge.run().settings(settings("memory_limit = '50 GiB'"));
    assert!(matches!(run.await, Err(RunError::CannotStart { .. })));
}

#[factory]
async fn save(sums: Repository<Sum>) -> Result<u32> {
    sums.save(&setl::dataset::Dataset::from_rows(&[Sum { sum: 1 }])?).await?;
    Ok(1)
}

/// Takes more and more, until it is told to end.
#[factory]
fn grow(_saved: u32, context: Context) -> Result<u64> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    while !context.is_cancelled() {
        if all.len() > 1000 {
            return Ok(1);
        }
        all.push(vec![1; 4 << 20]);
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(setl::Error::msg("it was told to end"))
}

#[pipeline(extract(save), transform(grow))]
struct Growing {
    #[delivery(opaque)]
    sums: Repository<Sum>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_holds_too_much_is_ended_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sums.parquet");
    let sums = Parquet::create(&file).unwrap();
    let outcome = Growing { sums }
        .run()
        .memory_limit(600 * MIB)
        .state_dir(directory.path().join("state"))
        .outcome()
        .await;
    assert_eq!(outcome.code(), 137);
    let Some(error @ RunError::MemoryExceeded { limit, report, .. }) = outcome.error() else {
        panic!("{outcome}");
    };
    assert_eq!(*limit, 600 * MIB);
    let peak = report.memory().unwrap().peak;
    assert!(peak > *limit && peak < 2 * *limit, "{peak}");
    let text = error.to_string();
    assert!(text.starts_with("pipeline `Growing` was ended when the process held "), "{text}");
    assert!(text.contains(", with a memory limit of 600 MiB; in progress: `grow`"), "{text}");
    assert!(!file.exists());
}
