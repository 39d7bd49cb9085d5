use setl::prelude::*;

#[factory(output = f64)]
struct Convert {
    #[delivery(optional)]
    rate: f64,
}

impl Factory for Convert {
    async fn process(&mut self) -> Result<f64> {
        Ok(self.rate)
    }
}

#[factory]
fn convert_again(#[delivery(optional)] rates: Vec<f64>) -> f32 {
    rates.len() as f32
}

fn main() {}
