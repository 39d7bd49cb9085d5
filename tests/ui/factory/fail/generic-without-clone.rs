use setl::prelude::*;

#[factory]
fn count<T: Send + Sync + 'static>(items: Vec<T>) -> usize {
    items.len()
}

fn main() {}
