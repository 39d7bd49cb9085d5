use setl::prelude::*;

#[factory(on_failure = fallback(String))]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

#[pipeline(extract(fetch_rate))]
struct Daily;

fn main() {}
