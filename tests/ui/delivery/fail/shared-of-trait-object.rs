use std::sync::Arc;

use setl::prelude::*;

trait Clock: Send + Sync {}

#[factory]
fn read(#[delivery(shared)] clock: Arc<dyn Clock>) -> usize {
    Arc::strong_count(&clock)
}

#[factory]
fn greet(#[delivery(optional, shared)] name: Option<Arc<str>>) -> String {
    name.as_deref().unwrap_or("nobody").to_owned()
}

#[pipeline(extract(read, greet))]
struct Daily {
    clock: Arc<dyn Clock>,
    name: Arc<str>,
}

fn main() {}
