use std::sync::Arc;

use setl::prelude::*;

#[factory]
fn count(#[delivery(shared, auto_load)] names: Arc<Vec<String>>) -> usize {
    names.len()
}

fn main() {}
