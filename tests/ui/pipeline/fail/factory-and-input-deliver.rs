use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(extract(read_names), transform(count))]
struct Daily {
    names: Vec<String>,
}

fn main() {}
