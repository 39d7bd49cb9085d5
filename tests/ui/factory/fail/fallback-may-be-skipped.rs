use setl::prelude::*;

#[factory(on_failure = fallback(cached_rate))]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

#[factory(when = *known)]
fn cached_rate(known: bool) -> f64 {
    f64::from(known)
}

#[factory(on_failure = fallback(last_count))]
fn count() -> Result<usize> {
    Ok(1)
}

#[factory(on_failure = skip)]
fn last_count() -> Result<usize> {
    Ok(1)
}

fn main() {}
