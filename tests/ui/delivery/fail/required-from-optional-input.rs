use setl::prelude::*;

#[factory(output = String)]
struct Convert {
    #[delivery]
    rate: f64,
}

impl Factory for Convert {
    async fn process(&mut self) -> Result<String> {
        Ok(self.rate.to_string())
    }
}

#[pipeline(transform(Convert))]
struct Daily {
    #[delivery(optional)]
    rate: Option<f64>,
}

fn main() {}
