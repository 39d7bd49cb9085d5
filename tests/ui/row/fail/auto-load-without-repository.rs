use setl::prelude::*;

#[derive(Row)]
struct Flight {
    delay: f64,
}

#[factory]
fn count(#[delivery(auto_load, condition = Flight::DELAY.gt(15.0))] flights: Dataset<Flight>) -> usize {
    flights.row_count().unwrap_or_default()
}

#[pipeline(transform(count))]
struct Delays {}

fn main() {}
