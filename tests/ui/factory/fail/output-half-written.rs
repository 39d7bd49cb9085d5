use setl::prelude::*;

#[factory(output = )]
struct Price;

impl Factory for Price {
    async fn process(&mut self) -> Result<f64> {
        Ok(1.0)
    }
}

#[factory(output = Vec<, blocking)]
struct Prices;

impl Factory for Prices {
    async fn process(&mut self) -> Result<Vec<f64>> {
        Ok(vec![1.0])
    }
}

#[pipeline(extract(Price, Prices))]
struct Daily;

fn main() {}
