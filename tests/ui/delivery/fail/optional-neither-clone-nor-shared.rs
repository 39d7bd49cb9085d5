use setl::prelude::*;

struct Model(f64);

#[factory]
fn score(#[delivery(optional)] model: Option<Model>) -> f64 {
    model.map_or(0.0, |model| model.0)
}

fn main() {}
