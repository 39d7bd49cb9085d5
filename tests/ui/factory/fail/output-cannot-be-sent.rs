use std::rc::Rc;

use setl::prelude::*;

#[factory]
fn read_names() -> Rc<Vec<String>> {
    Rc::new(Vec::new())
}

#[pipeline(extract(read_names))]
struct Daily;

fn main() {}
