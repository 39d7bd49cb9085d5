use setl::prelude::*;

#[factory]
fn make<T: Default>() -> Vec<T> {
    Vec::new()
}

#[pipeline(extract(make))]
struct Daily;

fn main() {}
