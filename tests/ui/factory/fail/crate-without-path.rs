use setl::prelude::*;

#[factory(crate = 1)]
fn read_names() -> Vec<String> {
    Vec::new()
}

fn main() {}
