use setl::prelude::*;

#[factory(on_failure = fallback(cached_rate))]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

#[factory]
fn cached_rate(cache: Vec<f64>) -> f64 {
    cache[0]
}

#[pipeline(extract(fetch_rate))]
struct Daily {
    #[delivery(optional)]
    cache: Option<Vec<f64>>,
}

fn main() {}
