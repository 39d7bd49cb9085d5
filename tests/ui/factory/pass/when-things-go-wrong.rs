//! All options for failures together, on a struct and on a function.

use std::time::Duration;

use setl::factory::FactoryItem;
use setl::policy::{OnFailure, Policy, Resource, Retry, RetryOn};
use setl::prelude::*;

static RATES: Resource = Resource::new("rates").max_concurrent(2);

const TIMES: u32 = 2;

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Rates(f64);

#[derive(Clone)]
struct Settings {
    full: bool,
}

#[derive(Clone)]
struct Count(u8);

#[derive(Clone)]
struct Cache(f64);

fn is_busy(error: &setl::Error) -> bool {
    error.to_string().contains("busy")
}

#[factory(
    output = Rates,
    retry(times = 3, backoff = "100ms..10s", factor = 2, jitter = false, on = is_busy),
    timeout = "30s",
    total_timeout = "1m 30s",
    on_failure = fallback(cached_rates),
    when = settings.full,
    resource = RATES,
    volatile
)]
struct FetchRates {
    #[delivery]
    settings: Settings,
}

impl Factory for FetchRates {
    async fn process(&mut self) -> Result<Rates> {
        Ok(Rates(if self.settings.full { 1.0 } else { 2.0 }))
    }
}

impl Rollback for FetchRates {
    async fn rollback(&mut self) -> Result<()> {
        Ok(())
    }
}

#[factory]
fn cached_rates(cache: Cache) -> Rates {
    Rates(cache.0)
}

#[factory(
    retry(times = TIMES, on = |error| error.to_string().is_empty()),
    timeout = "5s",
    total_timeout = "1d 2h 3m 4s 5ms 6us",
    on_failure = skip,
    when = rates.as_ref().is_some_and(|rates| rates.0 > 0.0) || _1.0 > 0,
    resource = self::RATES,
    checkpoint
)]
async fn report(#[delivery(optional)] rates: Option<Rates>, (day, _): (u8, u8)) -> Result<String> {
    Ok(format!("{rates:?} {day}"))
}

/// Whether there is something to do may be hard to find out.
#[factory(when = { let count: u8 = "1".parse()?; setl::Result::<bool>::Ok(count == _0.0) }, on_failure = fail)]
fn tuple(Count(count): Count) -> Result<()> {
    println!("{count}");
    Ok(())
}

#[factory(output = (), when = _1.0 > 3)]
struct Numbered(usize, #[delivery] Count);

impl Factory for Numbered {
    async fn process(&mut self) -> Result<()> {
        self.0 += usize::from(self.1.0);
        Ok(())
    }
}

#[pipeline(
    defaults(retry(times = 1, backoff = "1s"), timeout = "1.5s", total_timeout = "1m"),
    extract(FetchRates),
    load(report, tuple, Numbered)
)]
struct Daily {
    settings: Settings,
    cache: Cache,
    count: Count,
    days: (u8, u8),
}

fn main() {
    let _ = Daily { settings: Settings { full: true }, cache: Cache(1.0), count: Count(1), days: (1, 2) };
    let Policy { retry, timeout, total_timeout, on_failure, conditional, resource, volatile, .. } =
        *Daily::plan().factories[0].policy;
    let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
    let expected = Retry::times(3).backoff(millis(100), seconds(10)).jitter(false).on(RetryOn::If(is_busy));
    assert_eq!(retry, Some(expected));
    assert_eq!((timeout, total_timeout), (Some(seconds(30)), Some(seconds(90))));
    assert_eq!(on_failure, OnFailure::Fallback);
    assert_eq!(resource, Some(&RATES));
    assert!(conditional && volatile);
    let long = Some(Duration::from_micros(93_784_005_006));
    assert_eq!(Daily::plan().factories[1].policy.total_timeout, long);
    assert!(Daily::plan().factories[1].policy.checkpoint);
    let defaults = Policy::NONE.retry(Retry::times(1).backoff(seconds(1), seconds(1)));
    assert_eq!(Daily::plan().defaults, defaults.timeout(millis(1500)).total_timeout(seconds(60)));

    type Deliveries<F> = <F as FactoryItem>::Deliveries;
    let due = |full| FetchRates::is_due(&(Settings { full },)).expect("it can be told");
    assert!(due(true) && !due(false));
    let deliveries: Deliveries<tuple> = (Count(2),);
    assert!(!tuple::is_due(&deliveries).expect("it is a number"));
    assert!(Numbered::is_due(&(Count(4),)).expect("it can be told"));
    assert!(FetchRates::undo().is_some());
}
