use setl::prelude::*;

#[factory(on_failure = fallback(fetch_rate))]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

fn main() {}
