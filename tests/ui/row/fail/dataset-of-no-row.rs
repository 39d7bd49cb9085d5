use setl::prelude::*;

struct Flight {
    delay: f64,
}

#[factory]
fn read_flights(source: Repository<Flight>) -> Result<Dataset<Flight>> {
    source.load()
}

fn main() {}
