use setl::prelude::*;

#[factory(output = f64)]
struct Convert {
    #[delivery]
    rate: f64,
}

impl Factory for Convert {
    async fn process(&mut self) -> Result<f64> {
        Ok(self.rate)
    }
}

#[pipeline(transform(Convert))]
struct Daily {
    #[delivery(optional)]
    rate: Option<f64>,
}

fn main() {}
