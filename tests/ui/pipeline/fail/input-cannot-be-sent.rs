use std::rc::Rc;
use std::sync::Arc;

use setl::prelude::*;

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    names: Vec<String>,
    cache: Rc<Arc<u32>>,
}

fn main() {}
