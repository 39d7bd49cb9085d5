use std::sync::Arc;

use setl::prelude::*;

struct Model;

#[factory]
fn train() -> Model {
    Model
}

#[factory]
fn predict(model: Arc<Model>) -> usize {
    Arc::strong_count(&model)
}

#[pipeline(extract(train), transform(predict))]
struct Daily;

fn main() {}
