use setl::prelude::*;

#[factory]
fn read() -> Result<f64> {
    Ok(1.0)
}

#[factory]
fn round(value: Result<f64>) -> i64 {
    value.map_or(0, |value| value as i64)
}

#[pipeline(extract(read), transform(round))]
struct Daily;

fn main() {}
