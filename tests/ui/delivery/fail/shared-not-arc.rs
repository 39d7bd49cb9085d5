use setl::prelude::*;

struct Model(f64);

#[factory]
fn score(#[delivery(shared)] model: Model) -> f64 {
    model.0
}

#[factory]
fn rank(#[delivery(shared)] scores: Vec<f64>) -> usize {
    scores.len()
}

fn main() {}
