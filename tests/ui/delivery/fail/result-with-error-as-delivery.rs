use setl::prelude::*;

#[factory]
fn read() -> Result<f64> {
    Ok(1.0)
}

#[factory]
fn round(value: std::result::Result<f64, String>) -> i64 {
    value.map_or(0, |value| value as i64)
}

#[pipeline(extract(read), transform(round))]
struct Daily;

fn main() {}
