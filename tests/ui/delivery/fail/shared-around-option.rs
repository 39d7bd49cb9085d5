use std::sync::Arc;

use setl::prelude::*;

struct Model(f64);

#[factory]
fn score(#[delivery(shared, optional)] model: Arc<Option<Model>>) -> f64 {
    model.as_ref().as_ref().map_or(0.0, |model| model.0)
}

fn main() {}
