use setl::prelude::*;

#[derive(Clone)]
struct Model {
    weights: Vec<f64>,
}

#[derive(serde::Serialize)]
struct Summary(usize);

#[factory(checkpoint)]
fn train() -> Result<Model> {
    Ok(Model { weights: vec![0.5] })
}

#[factory(checkpoint, output = Vec<Summary>)]
struct Summarize {
    #[delivery]
    model: Model,
}

impl Factory for Summarize {
    async fn process(&mut self) -> Result<Vec<Summary>> {
        Ok(vec![Summary(self.model.weights.len())])
    }
}

#[pipeline(transform(train, Summarize))]
struct Training;

fn main() {}
