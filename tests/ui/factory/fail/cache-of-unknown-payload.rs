use setl::prelude::*;

#[derive(Clone)]
struct Model {
    weights: Vec<f64>,
}

#[factory(cache)]
fn train() -> Result<Model> {
    Ok(Model { weights: vec![0.5] })
}

#[pipeline(transform(train))]
struct Training;

fn main() {}
