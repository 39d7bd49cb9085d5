//! `retry(…)`

use super::*;

#[factory(retry(times = 3, backoff = "1s..3s", factor = 2, jitter = false))]
async fn fetch(calls: Calls) -> Result<u32> {
    calls.fail(3)?;
    Ok(calls.count())
}

#[pipeline(only(fetch))]
struct Fetching {
    calls: Calls,
}

#[tokio::test(start_paused = true)]
async fn retries_wait_as_told() {
    let (told, begun) = (Told::default(), tokio::time::Instant::now());
    let run = Fetching { calls: Calls::default() }.run().observe(told.observer()).await.unwrap();
    assert_eq!(begun.elapsed(), 6 * SECOND);
    assert_eq!(run.get::<fetch>(), &4);
    assert_eq!(run.entry("fetch").unwrap().attempts, 4);
    let retrying = |attempt: u32, delay: u32| {
        format!(
            "Retrying {{ factory: \"fetch\", attempt: {attempt}, error: \"connection lost\", delay: {delay}s }}"
        )
    };
    assert_eq!(
        told.all(),
        [
            "RunStarted { factories: 1 }".to_owned(),
            "Started { factory: \"fetch\" }".to_owned(),
            retrying(1, 1),
            retrying(2, 2),
            retrying(3, 3),
            "Finished { factory: \"fetch\" }".to_owned(),
            "RunEnded { status: Succeeded }".to_owned(),
        ]
    );
}

#[factory(retry(times = 1, backoff = "1s", jitter = false))]
async fn asks_twice(calls: Calls) -> Result<()> {
    calls.next();
    Err(lost())
}

#[pipeline(only(asks_twice))]
struct AsksTwice {
    calls: Calls,
}

#[tokio::test(start_paused = true)]
async fn after_the_last_attempt_its_error_is_told() {
    let calls = Calls::default();
    let error = AsksTwice { calls: calls.clone() }.run().await.unwrap_err();
    assert_eq!(calls.count(), 2);
    let failure = &error.failures()[0];
    assert_eq!((failure.attempts, failure.transient), (2, true));
    assert_eq!(
        failure.to_string(),
        "factory `asks_twice` of stage `only` failed in process after 2 attempts"
    );
}

#[factory(retry(times = 9))]
async fn parses(calls: Calls) -> Result<u32> {
    calls.next();
    Ok("seven".parse()?)
}

#[factory(retry(times = 9))]
async fn panics(calls: Calls) -> Result<()> {
    calls.next();
    panic!("out of order")
}

#[factory(retry(times = 2, on = any))]
async fn parses_again(calls: Calls) -> Result<u64> {
    calls.next();
    Ok("seven".parse()?)
}

fn is_odd(error: &Error) -> bool {
    error.to_string() == "odd"
}

#[factory(retry(times = 9, on = is_odd))]
async fn fails_twice_oddly(calls: Calls) -> Result<i64> {
    Err(Error::msg(if calls.next() < 3 { "odd" } else { "even" }))
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_depends_on_the_error() {
    #[pipeline(only(parses))]
    struct Permanent {
        calls: Calls,
    }
    #[pipeline(only(panics))]
    struct Panicking {
        calls: Calls,
    }
    #[pipeline(only(parses_again))]
    struct Any {
        calls: Calls,
    }
    #[pipeline(only(fails_twice_oddly))]
    struct If {
        calls: Calls,
    }
    let calls: [Calls; 4] = Default::default();
    Permanent { calls: calls[0].clone() }.run().await.unwrap_err();
    Panicking { calls: calls[1].clone() }.run().await.unwrap_err();
    Any { calls: calls[2].clone() }.run().await.unwrap_err();
    If { calls: calls[3].clone() }.run().await.unwrap_err();
    assert_eq!(calls.map(|calls| calls.count()), [1, 1, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_run_may_have_rules_of_its_own() {
    #[pipeline(only(parses))]
    struct Ruled {
        calls: Calls,
    }
    let calls = Calls::default();
    let run = Ruled { calls: calls.clone() }.run();
    let error = run.classify(|_| Some(setl::policy::Transience::Transient)).await.unwrap_err();
    assert_eq!(calls.count(), 10);
    assert!(error.failures()[0].transient);
}

#[factory(output = u32, retry(times = 2, backoff = "1s", jitter = false))]
struct Remembers {
    #[delivery]
    calls: Calls,
    #[delivery]
    context: Context,
    /// Starts as `Default` in each attempt.
    steps: Vec<u32>,
}

impl Factory for Remembers {
    async fn read(&mut self) -> Result<()> {
        self.steps.push(self.context.attempt());
        Ok(())
    }

    async fn process(&mut self) -> Result<u32> {
        assert_eq!(self.steps, [self.context.attempt()], "nothing is left of the attempt before");
        self.calls.fail(2)?;
        Ok(self.context.attempt())
    }
}

#[pipeline(only(Remembers))]
struct Remembering {
    calls: Calls,
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_a_new_instance_and_knows_its_number() {
    let run = Remembering { calls: Calls::default() }.run().await.unwrap();
    assert_eq!(run.get::<Remembers>(), &3);
}

#[factory]
fn make(ledger: Arc<Ledger>) -> Parcel {
    ledger.parcel(7, 1)
}

#[derive(Clone, Debug, PartialEq)]
struct Opened(u64);

#[factory(retry(times = 5, backoff = "1s", jitter = false))]
async fn open(parcel: Parcel, calls: Calls) -> Result<Opened> {
    calls.fail(2)?;
    Ok(Opened(parcel.value))
}

/// How many parcels there are when all who take one are done.
#[factory]
fn count(_opened: Opened, ledger: Arc<Ledger>) -> usize {
    ledger.live()
}

#[pipeline(first(make), then(open), last(count), keep(open))]
struct Parcels {
    ledger: Arc<Ledger>,
    calls: Calls,
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_there_for_each_attempt_and_gone_after_the_last() {
    let run = Parcels { ledger: Arc::default(), calls: Calls::default() }.run().await.unwrap();
    assert_eq!(run.entry("open").unwrap().attempts, 3);
    assert_eq!(run.get::<open>(), &Opened(7));
    assert_eq!(run.get::<count>(), &0);
}

#[factory(retry(times = 9, backoff = "10s", jitter = false), total_timeout = "25s")]
async fn hurries(calls: Calls) -> Result<()> {
    calls.next();
    Err(lost())
}

#[pipeline(only(hurries))]
struct Hurrying {
    calls: Calls,
}

#[tokio::test(start_paused = true)]
async fn there_is_no_wait_beyond_the_total_timeout() {
    let (calls, begun) = (Calls::default(), tokio::time::Instant::now());
    let error = Hurrying { calls: calls.clone() }.run().await.unwrap_err();
    assert_eq!((calls.count(), begun.elapsed()), (3, 20 * SECOND));
    let Cause::Error(cause) = &error.failures()[0].cause else { panic!("{error:?}") };
    assert_eq!(cause.to_string(), "connection lost");
}
