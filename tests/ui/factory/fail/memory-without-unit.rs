use setl::prelude::*;

#[factory(memory = "500")]
fn model() -> Vec<f64> {
    vec![0.0]
}

#[factory(memory = 500)]
fn other_model() -> Vec<f32> {
    vec![0.0]
}

fn main() {}
