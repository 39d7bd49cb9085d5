use setl::prelude::*;

struct Raw;

struct Clean;

#[factory(id = Raw)]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(#[delivery(id = Clean)] names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(extract(read_names), transform(count))]
struct Daily;

fn main() {}
