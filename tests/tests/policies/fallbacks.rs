//! `on_failure = fallback(…)`

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Rates(f64);

#[derive(Clone)]
struct Cache(Option<f64>);

#[factory(on_failure = fallback(cached), retry(times = 1, backoff = "1s", jitter = false))]
async fn fetch(calls: Calls) -> Result<Rates> {
    calls.fail(2)?;
    Ok(Rates(1.0))
}

#[factory(retry(times = 1, backoff = "1s", jitter = false))]
fn cached(cache: Cache, context: Context) -> Result<Rates> {
    let rates = cache.0.ok_or_else(|| setl::transient(Error::msg("nothing is cached")))?;
    Ok(Rates(rates + f64::from(context.attempt())))
}

#[pipeline(only(fetch))]
struct Daily {
    calls: Calls,
    cache: Cache,
}

#[tokio::test(start_paused = true)]
async fn another_factory_stands_in_with_deliveries_of_its_own() {
    let told = Told::default();
    let run = Daily { calls: Calls::default(), cache: Cache(Some(0.5)) }.run();
    let run = run.observe(told.observer()).await.unwrap();
    assert_eq!(run.get::<fetch>(), &Rates(3.5));
    let entry = run.entry("fetch").unwrap();
    assert_eq!((entry.status, entry.attempts), (Status::Succeeded, 2));
    assert_eq!(entry.note.as_deref(), Some("by `cached`, since it failed: connection lost"));
    assert_eq!(told.all()[3], "FellBack { factory: \"fetch\", to: \"cached\" }");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_asked_when_all_goes_well() {
    let calls = Calls::default();
    calls.0.store(2, Ordering::SeqCst);
    let run = Daily { calls, cache: Cache(None) }.run().await.unwrap();
    assert_eq!(run.get::<fetch>(), &Rates(1.0));
    assert_eq!(run.entry("fetch").unwrap().note, None);
}

#[tokio::test(start_paused = true)]
async fn both_failures_are_told_of_each_with_its_attempts() {
    let error = Daily { calls: Calls::default(), cache: Cache(None) }.run().await.unwrap_err();
    let failure = &error.failures()[0];
    assert_eq!(failure.attempts, 2);
    let second = failure.fallback.as_ref().unwrap();
    assert_eq!((&*second.factory, second.attempts), ("cached", 2));
    assert_eq!(
        error.full(),
        "pipeline `Daily` failed

factory `fetch` of stage `only` failed in process after 2 attempts
  connection lost
  its fallback failed, too:

    factory `cached` of stage `only` failed in process after 2 attempts
      nothing is cached
"
    );
    assert_eq!(
        error.line(),
        "pipeline `Daily`: factory `fetch` of stage `only` failed in process after 2 attempts: connection lost; its \
         fallback: pipeline `Daily`: factory `cached` of stage `only` failed in process after 2 attempts: nothing is cached"
    );
}

#[derive(Clone)]
struct Backup;

#[factory]
fn open_backup() -> Result<Backup> {
    Err(Error::msg("no backup"))
}

#[factory(on_failure = fallback(from_backup))]
fn load(calls: Calls) -> Result<u8> {
    calls.fail(u32::from(calls.count() == 0))?;
    Ok(1)
}

#[factory]
fn from_backup(_backup: Backup) -> u8 {
    2
}

#[pipeline(first(open_backup), then(load))]
struct Loading {
    calls: Calls,
}

/// What the one that stands in takes has failed, in a run that goes on.
#[tokio::test]
async fn a_fallback_without_its_deliveries_is_not_asked() {
    let outcome = Loading { calls: Calls::default() }.run().keep_going().outcome().await;
    assert_eq!(statuses(&outcome), [("open_backup", Status::Failed), ("load", Status::Failed)]);
    let failure = &outcome.failures()[1];
    assert!(failure.fallback.is_none());
    assert_eq!(
        failure.line(),
        "pipeline `Loading`: factory `load` of stage `then` failed in process: connection lost"
    );

    let calls = Calls::default();
    calls.next();
    let outcome = Loading { calls }.run().keep_going().outcome().await;
    assert_eq!(outcome.find::<load>(), Some(&1), "it needs nobody to stand in for it");
    assert_eq!(outcome.code(), 3);
}
