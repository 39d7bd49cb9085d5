//! All options for failures together, on a struct and on a function.

use setl::policy::Resource;
use setl::prelude::*;

static RATES: Resource = Resource::new("rates").at_once(2);

const TIMES: u32 = 2;

#[derive(Clone, Debug, PartialEq)]
struct Rates(f64);

#[derive(Clone)]
struct Settings {
    full: bool,
}

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
    when = rates.as_ref().is_some_and(|rates| rates.0 > 0.0) || *_1 > 0,
    resource = self::RATES,
    checkpoint
)]
async fn report(#[delivery(optional)] rates: Option<Rates>, (_0): u8) -> Result<String> {
    Ok(format!("{rates:?} {_0}"))
}

/// Whether there is something to do may be hard to find out.
#[factory(when = { let count: u8 = "1".parse()?; setl::Result::<bool>::Ok(count == *_0) }, on_failure = fail)]
fn tuple((count): u8) -> Result<()> {
    println!("{count}");
    Ok(())
}

#[factory(output = (), when = *_1 > 3)]
struct Numbered(usize, #[delivery] u8);

impl Factory for Numbered {
    async fn process(&mut self) -> Result<()> {
        self.0 += usize::from(self.1);
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
    count: u8,
}

fn main() {
    let _ = Daily { settings: Settings { full: true }, cache: Cache(1.0), count: 1 };
    println!("{:#?}\n{}", Daily::plan(), Daily::describe());
}
