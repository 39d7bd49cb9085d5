#![deny(unused_must_use)]

use setl::prelude::*;

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    names: Vec<String>,
    limit: u32,
}

fn main() {}
