//! What is said of failures where trying again is no cure, and where a factory has not begun.

use super::*;

fn hints(error: &RunError) -> Vec<Option<String>> {
    error.failures().iter().map(|failure| failure.hint().map(String::from)).collect()
}

#[factory(retry(times = 0))]
async fn charge() -> Result<u8> {
    Err(lost())
}

#[factory(retry(times = 3, on = never))]
async fn picky() -> Result<u16> {
    Err(lost())
}

fn never(_: &Error) -> bool {
    false
}

#[factory(on_failure = fallback(stand_in))]
async fn unsaid() -> Result<u32> {
    Err(lost())
}

#[factory(retry(times = 0))]
async fn stand_in() -> Result<u32> {
    Err(lost())
}

#[pipeline(only(charge, picky, unsaid))]
struct Said;

#[tokio::test(start_paused = true)]
async fn whoever_speaks_of_retries_is_not_told_of_them() {
    let error = Said.run().keep_going().concurrency(1).await.unwrap_err();
    let again = "it may go away by itself: `#[factory(retry(times = 3))]` tries again".to_owned();
    assert_eq!(hints(&error), [None, None, Some(again)]);
    assert_eq!(error.failures()[2].fallback.as_ref().unwrap().hint(), None);
}

#[pipeline(defaults(retry(times = 0)), only(unsaid))]
struct Defaults;

#[tokio::test(start_paused = true)]
async fn nor_is_whoever_has_them_by_default() {
    assert_eq!(hints(&Defaults.run().await.unwrap_err()), [None]);
}

#[factory(retry(times = 3, backoff = "5s", jitter = false), total_timeout = "2s")]
async fn hasty() -> Result<u8> {
    Err(lost())
}

#[pipeline(only(hasty))]
struct Hasty;

#[tokio::test(start_paused = true)]
async fn a_wait_for_which_there_is_no_time_is_told() {
    let error = Hasty.run().await.unwrap_err();
    let why = "it was not tried again: the next wait of 5s does not fit into its total timeout of 2s";
    assert_eq!(hints(&error), [Some(why.to_owned())]);
    assert_eq!(
        error.line(),
        format!(
            "pipeline `Hasty`: factory `hasty` of stage `only` failed in process: connection lost; {why}"
        )
    );
}

static DB: Resource = Resource::new("db").max_concurrent(1);

#[factory(resource = DB)]
async fn long() -> u8 {
    tokio::time::sleep(10 * SECOND).await;
    1
}

#[factory(resource = DB, total_timeout = "100ms")]
async fn waits() -> Result<u16> {
    unreachable!("the place is never free")
}

#[pipeline(only(long, waits))]
struct Queue;

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_in_vain_says_so() {
    let error = Queue.run().await.unwrap_err();
    assert_eq!(
        error.failures()[0].to_string(),
        "factory `waits` of stage `only` timed out: it did not end within its total timeout of 100ms: it waited for a place \
         at resource `db`"
    );
    assert!(
        matches!(error.failures()[0].cause, Cause::TimedOut(timed_out) if timed_out.resource == Some("db"))
    );
    assert!(hints(&error)[0].as_ref().unwrap().contains("`max_concurrent`"));
}

#[factory(when = panics())]
fn doubtful() -> u8 {
    1
}

fn panics() -> bool {
    panic!("who knows")
}

#[pipeline(only(doubtful))]
struct Doubtful;

#[tokio::test]
async fn a_condition_that_panics_is_named() {
    let error = Doubtful.run().await.unwrap_err();
    let said = error.failures()[0].to_string();
    assert!(
        said.starts_with("factory `doubtful` of stage `only` panicked in its condition (`when`): who knows"),
        "{said}"
    );
}
