use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(all(read_names count))]
struct Daily;

fn main() {}
