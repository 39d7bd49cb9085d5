use setl::prelude::*;

struct Raw;

#[factory(id = Raw)]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(extract(read_names), transform(count))]
struct Daily;

fn main() {}
