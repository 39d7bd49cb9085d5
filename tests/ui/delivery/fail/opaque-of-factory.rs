use setl::prelude::*;

#[factory(checkpoint)]
fn count(#[delivery(opaque)] flights: Vec<f64>) -> usize {
    flights.len()
}

#[factory(checkpoint, output = usize)]
struct Count {
    #[delivery(opaque)]
    flights: Vec<f64>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.flights.len())
    }
}

fn main() {}
