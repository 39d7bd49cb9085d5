use setl::prelude::*;

#[factory(on_failure = fallback(cached_rate))]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

#[factory(on_failure = fallback(last_rate))]
fn cached_rate() -> Result<f64> {
    Ok(1.0)
}

#[factory]
fn last_rate() -> f64 {
    1.0
}

#[pipeline(extract(fetch_rate))]
struct Daily;

fn main() {}
