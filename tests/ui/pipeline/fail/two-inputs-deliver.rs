use setl::prelude::*;

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    names: Vec<String>,
    titles: Vec<String>,
}

fn main() {}
