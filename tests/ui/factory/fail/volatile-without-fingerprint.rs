use setl::prelude::*;

#[derive(Clone)]
struct Rates(Vec<f64>);

#[factory(volatile)]
async fn rates() -> Result<Rates> {
    Ok(Rates(vec![1.1]))
}

#[factory]
fn count(rates: Rates) -> usize {
    rates.0.len()
}

#[pipeline(extract(rates), transform(count))]
struct Daily;

fn main() {}
