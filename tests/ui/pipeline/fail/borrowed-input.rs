use setl::prelude::*;

#[factory]
fn count(names: String) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    names: &str,
    more: String,
}

fn main() {}
