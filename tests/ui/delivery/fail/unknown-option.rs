use setl::prelude::*;

#[factory]
fn count(#[delivery(lazy)] names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    #[delivery(shared)]
    names: Vec<String>,
}

fn main() {}
