//! `resource = …`

use setl::policy::{CircuitOpen, CircuitState, Resources};

use super::*;

static SERVICE: Resource = Resource::new("service").breaker(2, Duration::from_secs(30));

#[factory(resource = SERVICE, retry(times = 1, backoff = "1s", jitter = false))]
async fn ask(calls: Calls) -> Result<u32> {
    calls.fail(2)?;
    Ok(calls.count())
}

#[pipeline(only(ask))]
struct Asking {
    calls: Calls,
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opens_lets_one_through_and_closes() {
    let (calls, resources) = (Calls::default(), Resources::default());
    let run = || Asking { calls: calls.clone() }.run().resources(resources.clone());

    let outcome = run().outcome().await;
    let report = outcome.report().unwrap().resources()[0];
    assert_eq!((report.attempts, report.failures, report.opened, report.rejected), (2, 2, 1, 0));
    assert_eq!(report.state, CircuitState::Open);
    assert!(outcome.to_string().contains(
        "\nresource service: 2 attempts, at most 1 at once, 2 failed; breaker opened once, 0 turned away, now open"
    ));

    tokio::time::sleep(10 * SECOND).await;
    let begun = tokio::time::Instant::now();
    let told = Told::default();
    let run_after = run().observe(told.observer()).await.unwrap();
    assert_eq!(begun.elapsed(), 20 * SECOND, "it waits as long as nobody is let through");
    assert_eq!(
        told.all()[2],
        "Retrying { factory: \"ask\", attempt: 1, error: \"resource `service` has failed too often, and is left alone for \
         another 20s\", delay: 20s }"
    );
    let report = run_after.resources()[0];
    assert_eq!((report.attempts, report.rejected, report.state), (1, 1, CircuitState::Closed));
    assert_eq!(run_after.get::<ask>(), &3);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_half_open_when_its_time_is_over() {
    let resources = Resources::default();
    Asking { calls: Calls::default() }.run().resources(resources.clone()).await.unwrap_err();
    assert_eq!(resources.report()[0].state, CircuitState::Open);
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(resources.report()[0].state, CircuitState::HalfOpen);
}

static REFUSING: Resource = Resource::new("refusing").breaker(1, Duration::from_secs(30));

#[derive(Clone)]
struct Asked;

#[factory]
fn make(ledger: Arc<Ledger>) -> Parcel {
    ledger.parcel(1, 1)
}

#[factory(resource = REFUSING, on_failure = skip)]
async fn refused(_parcel: Parcel) -> Result<Asked> {
    unreachable!("nobody is let through")
}

#[factory]
fn count(#[delivery(optional)] _asked: Option<Asked>, ledger: Arc<Ledger>) -> usize {
    ledger.live()
}

#[pipeline(first(make), then(refused), last(count))]
struct Refused {
    ledger: Arc<Ledger>,
}

#[tokio::test]
async fn who_is_turned_away_takes_nothing() {
    let resources = Resources::default();
    resources.enter(&REFUSING).await.unwrap().failed(setl::policy::Transience::Transient);
    let run = Refused { ledger: Arc::default() }.run().resources(resources).await.unwrap();
    assert_eq!(run.get::<count>(), &0, "what it would have taken is released");
}

#[factory(resource = REFUSING, retry(times = 1, backoff = "1s", jitter = false))]
async fn fails_once_then_is_refused() -> Result<()> {
    Err(lost())
}

#[pipeline(only(fails_once_then_is_refused))]
struct Phases;

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_has_not_begun() {
    let error = Phases.run().await.unwrap_err();
    let failure = &error.failures()[0];
    assert_eq!((failure.phase, failure.attempts), (Phase::Assemble, 2));
    let Cause::Error(cause) = &failure.cause else { panic!("{failure:?}") };
    assert_eq!(setl::policy::find::<CircuitOpen>(cause).unwrap().retry_after, 29 * SECOND);
}

static TIGHT: Resource = Resource::new("rates").max_concurrent(1);
static LOOSE: Resource = Resource::new("rates").max_concurrent(4).breaker(5, Duration::from_secs(30));

#[factory(resource = TIGHT)]
fn dollar() -> u8 {
    1
}

#[factory(resource = LOOSE)]
fn pound() -> u16 {
    2
}

#[pipeline(only(dollar, pound))]
struct Both;

#[pipeline(only(dollar))]
struct Tight;

#[pipeline(only(pound))]
struct Loose;

#[tokio::test]
async fn a_run_in_which_bounds_differ_cannot_start() {
    let outcome = Both.run().outcome().await;
    assert_eq!(outcome.code(), 2);
    assert_eq!(
        outcome.error().unwrap().line(),
        "pipeline `Both` cannot start: resource `rates` of factory `dollar` has max_concurrent(1), and the one of this name of \
         factory `pound` has max_concurrent(4) and breaker(5, 30s): name the same `static` in both, or give one another name"
    );
}

#[tokio::test]
async fn runs_that_share_a_resource_have_the_same_bounds_for_it() {
    let resources = Resources::default();
    Tight.run().resources(resources.clone()).await.unwrap();
    Tight.run().resources(resources.clone()).await.unwrap();
    let error = Loose.run().resources(resources).await.unwrap_err();
    assert_eq!(
        error.line(),
        "pipeline `Loose` cannot start: resource `rates` is shared with runs in which it has max_concurrent(1), and in this one it \
         has max_concurrent(4) and breaker(5, 30s): give it the same bounds in all of them, or this run resources of its own"
    );
    Loose.run().await.unwrap();
}
