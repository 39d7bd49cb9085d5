use setl::prelude::*;

struct Model(f64);

#[factory(output = f64)]
struct Score {
    #[delivery]
    model: Model,
}

impl Factory for Score {
    async fn process(&mut self) -> Result<f64> {
        Ok(self.model.0)
    }
}

#[factory]
fn score_again(model: Model) -> f32 {
    model.0 as f32
}

fn main() {}
