use std::rc::Rc;

use setl::prelude::*;

#[factory]
fn count(names: Rc<Vec<String>>) -> usize {
    names.len()
}

fn main() {}
