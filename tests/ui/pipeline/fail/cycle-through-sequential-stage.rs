use setl::prelude::*;

#[derive(Clone)]
struct Rates;

#[factory]
fn read_rates() -> Rates {
    Rates
}

#[factory]
fn convert(_rates: Rates) -> f64 {
    1.0
}

#[pipeline(
    #[sequential]
    all(convert, read_rates),
)]
struct Daily;

fn main() {}
