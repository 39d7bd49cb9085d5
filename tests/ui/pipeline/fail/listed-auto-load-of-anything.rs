use setl::prelude::*;

#[factory]
fn count(#[delivery(auto_load)] names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily;

fn main() {}
