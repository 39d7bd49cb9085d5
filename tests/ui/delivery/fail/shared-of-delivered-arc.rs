use std::sync::Arc;

use setl::prelude::*;

struct Model;

#[factory]
fn predict(#[delivery(shared)] model: Arc<Model>) -> usize {
    Arc::strong_count(&model)
}

#[pipeline(transform(predict))]
struct Daily {
    model: Arc<Model>,
}

fn main() {}
