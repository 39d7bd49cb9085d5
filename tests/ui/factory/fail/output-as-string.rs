use setl::prelude::*;

#[factory(output = "Vec<f64>")]
struct Prices;

impl Factory for Prices {
    async fn process(&mut self) -> Result<Vec<f64>> {
        Ok(vec![1.0])
    }
}

#[pipeline(extract(Prices))]
struct Daily;

fn main() {}
