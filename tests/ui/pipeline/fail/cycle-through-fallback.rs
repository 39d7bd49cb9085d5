use setl::prelude::*;

#[factory(on_failure = fallback(cached_rate))]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

#[factory]
fn cached_rate(report: String) -> f64 {
    report.len() as f64
}

#[factory]
fn write_report(rate: f64) -> String {
    rate.to_string()
}

#[pipeline(extract(fetch_rate), load(write_report))]
struct Daily;

fn main() {}
