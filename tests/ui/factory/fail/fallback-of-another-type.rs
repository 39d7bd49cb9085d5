use setl::prelude::*;

#[factory(on_failure = fallback(cached_rate))]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

#[factory]
fn cached_rate() -> f32 {
    1.0
}

#[pipeline(extract(fetch_rate))]
struct Daily;

fn main() {}
