use setl::prelude::*;

#[derive(Row)]
struct Flight {
    delay: f64,
}

#[derive(Row)]
struct Train {
    delay: f64,
}

fn late(flights: Dataset<Flight>) -> Dataset<Flight> {
    flights.filter(Train::DELAY.gt(15.0))
}

fn main() {}
