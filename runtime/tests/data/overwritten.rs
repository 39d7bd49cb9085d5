//! Files that a run writes to while datasets of it read them, and runs that write nothing.

use crate::scratch::Scratch;
use polars::prelude::{Engine, col, len, lit};
use setl::dataset::Dataset;
use setl::prelude::*;
use setl::run::Cause;

#[derive(Row, Clone, Debug, PartialEq)]
struct Item {
    n: Option<i64>,
}

fn items(numbers: impl IntoIterator<Item = i64>) -> Dataset<Item> {
    let rows: Vec<_> = numbers.into_iter().map(|n| Item { n: Some(n) }).collect();
    Dataset::from_rows(&rows).unwrap()
}

/// A target of each format, that holds 1 and 2.
fn every_format(scratch: &Scratch) -> Vec<Repository<Item>> {
    let all = vec![
        Csv::create(scratch.path("a.csv")).unwrap(),
        Ndjson::create(scratch.path("a.jsonl")).unwrap(),
        Parquet::create(scratch.path("a.parquet")).unwrap(),
        Parquet::at(scratch.path("parts")).rows_per_file(1).create().unwrap(),
    ];
    for one in &all {
        one.save_blocking(&items([1, 2])).unwrap();
    }
    all
}

fn numbers(of: &Repository<Item>) -> Vec<Option<i64>> {
    of.load().unwrap().to_rows_blocking().unwrap().into_iter().map(|item| item.n).collect()
}

/// All that is said of the factories that failed.
fn told(error: &setl::RunError) -> String {
    let told = error.failures().iter().map(|failure| match &failure.cause {
        Cause::Error(error) => format!("{failure}: {error:#}\n"),
        _ => failure.to_string(),
    });
    told.collect()
}

/// How the rows are read after they were overwritten.
#[derive(Clone, Copy, Debug)]
enum How {
    Collect,
    Rows,
    Lazy(Engine),
    Filtered,
    Materialize,
    Save,
    /// Before they were overwritten.
    Early,
    /// What is there then.
    Again,
}

#[derive(Clone)]
struct Rewritten;

#[derive(Clone)]
struct Early(Option<Dataset<Item>>);

#[factory]
fn read(source: Repository<Item>) -> Result<Dataset<Item>> {
    source.load()
}

#[factory]
async fn early(rows: Dataset<Item>, how: How) -> Result<Early> {
    Ok(Early(match how {
        How::Early => Some(rows.materialize().await?),
        _ => None,
    }))
}

#[factory]
async fn rewrite(source: Repository<Item>, _rows: Dataset<Item>, _early: Early) -> Result<Rewritten> {
    source.save_now(&items([7, 8, 9])).await?;
    Ok(Rewritten)
}

#[factory]
async fn late(
    source: Repository<Item>,
    rows: Dataset<Item>,
    early: Early,
    _rewritten: Rewritten,
    how: How,
    other: std::path::PathBuf,
) -> Result<usize> {
    Ok(match how {
        How::Collect => rows.collect().await?.height(),
        How::Rows => rows.to_rows().await?.len(),
        How::Lazy(engine) => {
            let grouped = rows.lazy().group_by([col("n")]).agg([len()]);
            setl::blocking(move || {
                Ok::<_, setl::Error>(grouped.collect_with_engine(engine)?.unwrap_single().height())
            })
            .await?
        }
        How::Filtered => rows.filter(Item::N.gt(0)).collect().await?.height(),
        How::Materialize => rows.materialize().await?.row_count().unwrap_or_default(),
        How::Save => Parquet::create::<Item>(other)?.save(&rows).await?,
        How::Early => early.0.unwrap_or(rows).to_rows().await?.len(),
        How::Again => source.load()?.to_rows().await?.len(),
    })
}

#[pipeline(extract(read, early), transform(rewrite), load(late), keep(read))]
struct Overwriting {
    source: Repository<Item>,
    how: How,
    other: std::path::PathBuf,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_has_overwritten_is_not_read_as_what_was_loaded() {
    let late = [
        How::Collect,
        How::Rows,
        How::Lazy(Engine::InMemory),
        How::Lazy(Engine::Streaming),
        How::Filtered,
        How::Materialize,
        How::Save,
    ];
    for how in late {
        let scratch = Scratch::new();
        for source in every_format(&scratch) {
            let place = source.to_string();
            let pipeline = Overwriting { source, how, other: scratch.path("other.parquet") };
            let error = pipeline.run().await.expect_err(&format!("{how:?} of {place}"));
            let text = told(&error);
            // Of a directory whose files are gone, Polars may be the first to notice.
            if place.contains("directory") && text.contains("No such file") {
                continue;
            }
            for part in [
                "factory `late`",
                "dataset of `Item`",
                "has been changed since it was loaded, by factory `rewrite`: to have the rows as they were, materialize",
                "load it after `rewrite`",
            ] {
                assert!(text.contains(part), "{how:?} of {place}: {text}");
            }
            assert!(!scratch.path("other.parquet").exists());
        }
    }
    for (how, rows) in [(How::Early, 2), (How::Again, 3)] {
        let scratch = Scratch::new();
        for source in every_format(&scratch) {
            let place = source.to_string();
            let run = Overwriting { source, how, other: scratch.path("other.parquet") }.run().await.unwrap();
            assert_eq!(*run.get::<self::late>(), rows, "{how:?} of {place}");
            let error = run.get::<read>().collect_blocking().unwrap_err().to_string();
            assert!(error.contains("by factory `rewrite`"), "{how:?} of {place}: {error}");
        }
    }
}

#[factory]
async fn replace(source: Repository<Item>, rows: Dataset<Item>) -> Result<usize> {
    // It reads what it replaces, and is committed at the end of the run.
    source.save(&Dataset::new(rows.lazy().select([col("n") + lit(1)]))?).await
}

#[pipeline(extract(read), load(replace), keep(read))]
struct TestPipeline {
    source: Repository<Item>,
}

#[tokio::test]
async fn after_its_commit_a_run_does_not_give_out_other_rows() {
    let scratch = Scratch::new();
    for source in every_format(&scratch) {
        let run = TestPipeline { source: source.clone() }.run().await.unwrap();
        let error = run.get::<read>().to_rows().await.unwrap_err().to_string();
        assert!(error.contains("changed since it was loaded, by factory `replace`"), "{error}");
        assert_eq!(numbers(&source), [Some(2), Some(3)]);
        // A dry run changes nothing.
        let run = TestPipeline { source }.run().no_write().await.unwrap();
        assert_eq!(run.get::<read>().to_rows().await.unwrap().len(), 2);
    }
}

#[factory]
fn tamper(path: std::path::PathBuf, _rows: Dataset<Item>) -> Result<Rewritten> {
    std::fs::write(path, "n\n5\n").map_err(Into::into).map(|()| Rewritten)
}

#[factory]
async fn count(rows: Dataset<Item>, _after: Rewritten) -> Result<usize> {
    Ok(rows.collect().await?.height())
}

#[pipeline(extract(read), transform(tamper), load(count))]
struct Tampered {
    source: Repository<Item>,
    path: std::path::PathBuf,
}

#[tokio::test]
async fn what_others_have_changed_is_told_too() {
    let scratch = Scratch::new();
    let path = scratch.file("a.csv", "n\n1\n2\n");
    let source = Csv::open(&path).unwrap();
    let error = Tampered { source, path }.run().await.unwrap_err();
    let text = told(&error);
    assert!(text.contains("a.csv has been changed since it was loaded: to have"), "{text}");
    assert!(text.contains("load it again"), "{text}");
}

/// Saves at once, in all ways that there are.
#[factory]
async fn publish(target: Repository<Item>) -> Result<usize> {
    let rows = items([4, 5, 6]);
    let mut all = target.save_now(&rows).await?;
    all += target.save_now_blocking(&rows)?;
    all += target.stage_blocking(&rows)?.commit()?;
    let staged = target.stage(&rows).await?;
    all += setl::blocking(move || staged.commit()).await?;
    let (of_thread, of_task) = (target.clone(), target);
    let (for_thread, for_task) = (rows.clone(), rows);
    all += std::thread::spawn(move || of_thread.save_now_blocking(&for_thread)).join().expect("it ends")?;
    all += tokio::spawn(async move { of_task.save_now(&for_task).await }).await.expect("it ends")?;
    Ok(all)
}

#[pipeline(load(publish))]
struct Publishing {
    target: Repository<Item>,
}

#[pipeline(#[no_write] load(publish))]
struct NotPublishing {
    target: Repository<Item>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_writes_nothing_saves_nothing_at_once() {
    let scratch = Scratch::new();
    for target in every_format(&scratch) {
        let names = scratch.names();
        let run = Publishing { target: target.clone() }.run().no_write().await.unwrap();
        assert_eq!(*run.get::<publish>(), 18, "{target}");
        let run = NotPublishing { target: target.clone() }.run().await.unwrap();
        assert_eq!(*run.get::<publish>(), 18, "{target}");
        assert_eq!(numbers(&target), [Some(1), Some(2)], "{target}");
        assert_eq!(scratch.names(), names, "{target}");
        Publishing { target: target.clone() }.run().await.unwrap();
        assert_eq!(numbers(&target), [Some(4), Some(5), Some(6)], "{target}");
    }
}
