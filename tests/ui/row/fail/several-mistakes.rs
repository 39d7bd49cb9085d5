use setl::prelude::*;

#[derive(Row)]
#[row(rename = "camelCase")]
struct Flight {
    #[column(nmae = "dep_delay")]
    delay: f64,
    #[column("carrier")]
    airline: String,
    carrier: String,
}

// The row is one all the same: only the mistakes above are reported.
fn late(flights: Dataset<Flight>) -> Dataset<Flight> {
    flights.filter(Flight::DELAY.gt(15.0))
}

fn main() {}
