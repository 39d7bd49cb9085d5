use setl::prelude::*;

#[factory]
fn count(names: &Vec<String>) -> usize {
    names.len()
}

fn main() {}
