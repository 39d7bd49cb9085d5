use std::cell::RefCell;
use std::sync::Arc;

use setl::prelude::*;

#[factory]
fn count(#[delivery(shared)] names: Arc<RefCell<Vec<String>>>) -> usize {
    names.borrow().len()
}

fn main() {}
