//! What waiting for the queries of others does to a factory, and what it does not.

use std::io::{Error as IoError, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use setl::optimize::Optimizer;
use setl::polars::prelude::*;
use setl::prelude::*;
use setl::run::Cause;

/// A query that does this while it runs.
fn doing(work: impl Fn() + Send + Sync + 'static) -> Result<LazyFrame> {
    let work = move |frame: DataFrame| {
        work();
        Ok(frame)
    };
    Ok(df!("number" => [1, 2, 3])?.lazy().map(work, AllowedOptimizations::default(), None, None))
}

#[factory]
async fn small() -> Result<u8> {
    Ok(setl::collect(df!("number" => [1, 2])?.lazy()).await?.height() as u8)
}

static WENT_ON: AtomicBool = AtomicBool::new(false);

/// Its query is done when another factory has gone on that asked for one at the same time.
#[factory]
async fn large() -> Result<u16> {
    let query = doing(|| {
        let until = Instant::now() + Duration::from_secs(30);
        while !WENT_ON.load(Ordering::Acquire) && Instant::now() < until {
            sleep(Duration::from_millis(1));
        }
    })?;
    setl::collect(query).await?;
    anyhow::ensure!(WENT_ON.load(Ordering::Acquire), "nobody has gone on");
    Ok(0)
}

#[factory]
async fn next(small: u8) -> Result<bool> {
    // Another query, while that of the first batch is run.
    setl::collect(df!("number" => [small])?.lazy()).await?;
    WENT_ON.store(true, Ordering::Release);
    Ok(true)
}

#[pipeline(ask(large, small), go_on(next))]
struct Quick;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_an_answer_goes_on() {
    let run = Quick.run().optimizer(Optimizer::new().parallel_queries(2)).await.unwrap();
    assert!(*run.get::<next>());
    assert_eq!(run.queries().len(), 2);
    assert_eq!(run.queries().iter().map(|queries| queries.factories.len()).max(), Some(2));
}

#[factory]
async fn slow() -> Result<u32> {
    setl::collect(doing(|| sleep(Duration::from_millis(500)))?).await?;
    Ok(0)
}

#[factory(timeout = "200ms")]
async fn hurried() -> Result<u64> {
    setl::collect(df!("number" => [1])?.lazy()).await?;
    Ok(0)
}

#[factory(total_timeout = "200ms")]
fn hurried_on_a_thread() -> Result<i64> {
    setl::collect_blocking(df!("number" => [1])?.lazy())?;
    Ok(0)
}

#[pipeline(ask(slow, hurried, hurried_on_a_thread))]
struct Behind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queries_of_others_do_not_count_against_a_timeout() {
    let run = Behind.run().optimizer(Optimizer::new().parallel_queries(1)).await.unwrap();
    assert_eq!(run.queries()[0].factories.len(), 3, "{:?}", run.queries());
}

#[factory(timeout = "100ms")]
async fn too_slow() -> Result<u32> {
    setl::collect(doing(|| sleep(Duration::from_secs(1)))?).await?;
    Ok(0)
}

#[pipeline(ask(too_slow, small))]
struct TooSlow;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_query_does() {
    let error = TooSlow.run().await.unwrap_err();
    let [failure] = error.failures() else { panic!("{error}") };
    assert_eq!(failure.factory, "too_slow");
    assert!(matches!(failure.cause, Cause::TimedOut(_)), "{failure}");
}

#[factory]
async fn refused() -> Result<i8> {
    // Others have asked meanwhile, and their queries are not run yet.
    tokio::time::sleep(Duration::from_millis(5)).await;
    Err(IoError::from(ErrorKind::ConnectionRefused).into())
}

#[factory]
fn small_on_a_thread() -> Result<i16> {
    Ok(setl::collect_blocking(df!("number" => [1, 2])?.lazy())?.height() as i16)
}

#[pipeline(ask(refused, small, small_on_a_thread))]
struct Refused;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_when_the_run_ends_has_not_failed() {
    let patient = Optimizer::new().wait_at_most(Duration::from_millis(200));
    let outcome = Refused.run().optimizer(patient).outcome().await;
    let failed: Vec<_> = outcome.failures().iter().map(|failure| &*failure.factory).collect();
    assert_eq!(failed, ["refused"], "{:?}", outcome.error());
    assert_eq!(outcome.code(), 75, "it may succeed if it is tried again");
}
