use setl::prelude::*;

#[derive(Row)]
struct Flight {
    carrier: String,
}

fn main() {
    let _ = Flight::CARRIER.gt(15.0);
}
