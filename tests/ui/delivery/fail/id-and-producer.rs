use setl::prelude::*;

struct Raw;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(#[delivery(id = Raw, producer = read_names)] names: Vec<String>) -> usize {
    names.len()
}

fn main() {}
