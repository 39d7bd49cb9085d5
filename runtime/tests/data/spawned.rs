//! What tasks and threads save that a factory has started is part of its run.

use std::sync::Arc;

use setl::Row;
use setl::dataset::Dataset;
use setl::prelude::*;
use setl::storage::{Memory, Repository};

#[derive(Row, Clone, Debug, PartialEq)]
struct Count {
    n: u32,
}

fn one() -> Dataset<Count> {
    Dataset::from_rows(&[Count { n: 1 }]).unwrap()
}

#[derive(Clone, Copy, Debug)]
enum How {
    Task,
    Thread,
    Pool,
}

#[derive(Clone, Copy)]
struct Fails(bool);

async fn save(how: How, counts: Repository<Count>) -> Result<u8> {
    match how {
        How::Task => drop(tokio::spawn(async move { counts.save(&one()).await }).await??),
        How::Thread => drop(std::thread::spawn(move || counts.save_blocking(&one())).join().unwrap()?),
        How::Pool => drop(tokio::task::spawn_blocking(move || counts.save_blocking(&one())).await??),
    }
    Ok(1)
}

/// The only one that takes it: it is handed over, and not cloned.
#[factory]
async fn saves(how: How, counts: Repository<Count>) -> Result<u8> {
    save(how, counts).await
}

#[factory]
async fn saves_shared(how: How, #[delivery(shared)] counts: Arc<Repository<Count>>) -> Result<u8> {
    save(how, Repository::clone(&counts)).await
}

#[factory]
async fn saves_within(how: How, stores: Stores) -> Result<u8> {
    save(how, stores.counts.clone()).await
}

#[derive(Clone)]
struct Stores {
    counts: Repository<Count>,
}

#[factory(retry(times = 1, backoff = "1ms"))]
async fn may_fail(fails: Fails, _saved: u8) -> Result<u16> {
    if fails.0 { Err(setl::Error::msg("enough")) } else { Ok(1) }
}

#[pipeline(save(saves), then(may_fail))]
struct Moved {
    how: How,
    fails: Fails,
    counts: Repository<Count>,
}

#[pipeline(save(saves_shared), then(may_fail))]
struct Shared {
    how: How,
    fails: Fails,
    counts: Repository<Count>,
}

#[pipeline(save(saves_within), then(may_fail))]
struct Within {
    how: How,
    fails: Fails,
    stores: Stores,
}

fn rows(counts: &Repository<Count>) -> usize {
    counts.load().unwrap().to_rows_blocking().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_elsewhere_is_committed_with_the_run_or_not_at_all() {
    for how in [How::Task, How::Thread, How::Pool] {
        for (fails, dry) in [(true, false), (false, true), (false, false)] {
            let new = || Memory::new::<Count>(&[]).unwrap();
            let stores = [new(), new(), new()];
            let (fails_too, expected) = (Fails(fails), usize::from(!fails && !dry));
            macro_rules! check {
                ($at:literal, $pipeline:expr) => {{
                    let run = $pipeline.run();
                    let run = if dry { run.no_write() } else { run };
                    let outcome = run.outcome().await;
                    assert_eq!(outcome.error().is_some(), fails, "{how:?}");
                    assert_eq!(outcome.report().unwrap().committed().len(), expected, "{how:?}");
                    assert_eq!(rows(&stores[$at]), expected, "{how:?}, {}", $at);
                }};
            }
            check!(0, Moved { how, fails: fails_too, counts: stores[0].clone() });
            check!(1, Shared { how, fails: fails_too, counts: stores[1].clone() });
            check!(2, Within { how, fails: fails_too, stores: Stores { counts: stores[2].clone() } });
        }
    }
}

/// What a factory gives to a task that outlives its run.
#[factory]
async fn leaks(counts: Repository<Count>, door: Arc<tokio::sync::Notify>) -> Task {
    let task = tokio::spawn(async move {
        door.notified().await;
        let late = counts.save(&one()).await.unwrap_err().to_string();
        // Reading and `save_now` are not part of any run.
        assert_eq!(rows_of(&counts).await, 0);
        counts.save_now(&one()).await.unwrap();
        late
    });
    Arc::new(tokio::sync::Mutex::new(Some(task)))
}

type Task = Arc<tokio::sync::Mutex<Option<tokio::task::JoinHandle<String>>>>;

async fn rows_of(counts: &Repository<Count>) -> usize {
    counts.load().unwrap().to_rows().await.unwrap().len()
}

#[pipeline(only(leaks))]
struct Leaking {
    counts: Repository<Count>,
    door: Arc<tokio::sync::Notify>,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_after_the_run_is_an_error() {
    let (counts, door) = (Memory::new::<Count>(&[]).unwrap(), Arc::new(tokio::sync::Notify::new()));
    let run = Leaking { counts: counts.clone(), door: Arc::clone(&door) }.run().await.unwrap();
    let task = run.get::<leaks>().lock().await.take().unwrap();
    drop(run);
    door.notify_one();
    let late = task.await.unwrap();
    assert!(late.contains("too late") && late.contains("before the factory returns"), "{late}");
    assert_eq!(rows(&counts), 1);
}

#[factory]
fn hands_on(#[delivery(id = Given)] counts: Repository<Count>) -> Repository<Count> {
    counts
}

#[pipeline(only(hands_on))]
struct HandsOn {
    #[delivery(id = Given)]
    counts: Repository<Count>,
}

struct Given;

#[tokio::test]
async fn a_repository_that_a_factory_delivers_is_free_after_the_run() {
    let counts = Memory::new::<Count>(&[]).unwrap();
    let run = HandsOn { counts: counts.clone() }.run().await.unwrap();
    assert_eq!(run.get::<hands_on>().save(&one()).await.unwrap(), 1);
    assert_eq!(rows(&counts), 1);
}
