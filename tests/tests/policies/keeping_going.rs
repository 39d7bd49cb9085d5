//! `.keep_going()` and `.commit_partial()`

use super::*;

#[derive(Clone)]
struct Orders;

#[factory]
fn orders() -> Result<Orders> {
    Err(Error::msg("no orders"))
}

#[factory]
fn revenue(_orders: Orders) -> u32 {
    1
}

#[factory]
fn summary(revenue: u32) -> u64 {
    u64::from(revenue)
}

#[factory]
async fn stock(context: Context, log: Log<String>) -> Result<u8> {
    context.enlist(Box::new(Note { name: "stock", log, refuses: false }))?;
    Ok(8)
}

#[pipeline(read(orders, stock), compute(revenue), report(summary))]
struct Shop {
    log: Log<String>,
}

#[tokio::test]
async fn what_does_not_need_what_failed_goes_on() {
    let log = Log::default();
    let outcome = Shop { log: log.clone() }.run().state_dir(state()).keep_going().outcome().await;
    assert_eq!(
        statuses(&outcome),
        [
            ("orders", Status::Failed),
            ("stock", Status::Succeeded),
            ("revenue", Status::NotRun),
            ("summary", Status::NotRun)
        ]
    );
    let because = |factory| {
        outcome.report().unwrap().entry(factory).unwrap().failed_upstream.clone().unwrap_or_default()
    };
    assert_eq!((&*because("revenue"), &*because("summary")), ("orders", "orders"));
    assert_eq!((outcome.find::<stock>(), outcome.code()), (Some(&8), 3));
    assert_eq!(log.all(), ["roll back stock"]);
    assert_eq!(
        outcome.error().unwrap().full(),
        "pipeline `Shop` failed

factory `orders` of stage `read` failed in process
  no orders

not run because of `orders`: `revenue`, `summary`
"
    );
}

#[tokio::test]
async fn what_succeeded_is_written_if_the_run_says_so() {
    let log = Log::default();
    let outcome = Shop { log: log.clone() }.run().state_dir(state()).commit_partial().outcome().await;
    assert_eq!(outcome.code(), 3);
    assert_eq!(log.all(), ["commit stock"]);
    assert_eq!(outcome.report().unwrap().committed(), ["note stock"]);
}

#[factory]
fn fails(failed: Latch) -> Result<()> {
    failed.open();
    Err(Error::msg("enough"))
}

#[factory]
async fn waits(context: Context, log: Log<String>, begun: Calls) -> Result<()> {
    context.enlist(Box::new(Note { name: "waits", log, refuses: false }))?;
    begun.next();
    std::future::pending().await
}

#[factory]
async fn done(context: Context, log: Log<String>) -> Result<u8> {
    context.enlist(Box::new(Note { name: "done", log, refuses: false }))?;
    Ok(1)
}

#[pipeline(#[sequential] all(done, fails, waits))]
struct Waiting {
    failed: Latch,
    log: Log<String>,
    begun: Calls,
}

/// The failure does not end it, so that the cancellation does.
#[tokio::test]
async fn a_run_that_goes_on_is_cancelled_all_the_same() {
    let (log, begun, token) = (Log::default(), Calls::default(), CancellationToken::new());
    let run =
        Waiting { failed: Latch::default(), log: log.clone(), begun: begun.clone() }.run().state_dir(state());
    let run = run.commit_partial().cancel_on(token.clone());
    let (outcome, ()) = tokio::join!(run.outcome(), async {
        until(|| begun.count() == 1).await;
        token.cancel();
    });
    assert_eq!(outcome.code(), 130);
    assert_eq!(outcome.failures().len(), 1);
    assert_eq!(
        statuses(&outcome),
        [("done", Status::Succeeded), ("fails", Status::Failed), ("waits", Status::Cancelled)]
    );
    let mut ends = log.all();
    ends.sort();
    assert_eq!(ends, ["roll back done", "roll back waits"], "nothing is written by a cancelled run");
}
