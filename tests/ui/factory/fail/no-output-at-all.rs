use setl::prelude::*;

#[factory]
struct Price;

impl Factory for Price {
    async fn process(&mut self) -> Result<f64> {
        Ok(1.0)
    }
}

#[pipeline(extract(Price))]
struct Daily;

fn main() {}
