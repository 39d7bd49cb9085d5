//! What is told of a resource that lets nobody through any more, and of whoever stands in.

use std::io;
use std::time::Duration;

use setl::policy::{CircuitOpen, Resource, find};
use setl::prelude::*;
use setl::run::Cause;

static RATES: Resource = Resource::new("rates").breaker(1, Duration::from_secs(3600));

#[factory(retry(times = 3, backoff = "1ms"), total_timeout = "10m", resource = RATES)]
async fn rates() -> Result<f64> {
    Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nobody is there"))?
}

#[pipeline(extract(rates))]
struct Daily;

#[tokio::test]
async fn what_opened_the_breaker_is_told_with_it() {
    let error = Daily.run().await.unwrap_err();
    let failure = &error.failures()[0];
    assert!(failure.transient && failure.attempts == 2, "{failure:?}");
    let Cause::Error(cause) = &failure.cause else { panic!("{failure:?}") };
    assert!(cause.is::<CircuitOpen>() && find::<io::Error>(cause).is_some(), "{cause:?}");
    let why = "is left alone for another 1h: nobody is there; it was not tried again: the next wait of 1h does not fit into its \
               total timeout of 10m";
    assert!(error.line().ends_with(why), "{}", error.line());

    let report = error.report().unwrap().to_string();
    let resource = "resource rates: 1 attempt, at most 1 at once, 1 failed; breaker opened once, 1 turned away, now open";
    assert!(report.ends_with(resource), "{report}");
}

#[factory]
fn cached_price() -> Result<u8> {
    Err(setl::Error::msg("there is no cache"))
}

#[factory(retry(times = 2, backoff = "1ms", on = any), on_failure = fallback(cached_price))]
fn price() -> Result<u8> {
    Err(setl::Error::msg("nobody knows"))
}

#[pipeline(extract(price))]
struct Prices;

#[tokio::test]
async fn who_stands_in_counts_its_own_attempts() {
    let error = Prices.run().await.unwrap_err();
    let failure = &error.failures()[0];
    let fallback = failure.fallback.as_ref().unwrap();
    assert_eq!((failure.attempts, fallback.attempts), (3, 1));
    assert_eq!(fallback.to_string(), "factory `cached_price` of stage `extract` failed in process");
}
