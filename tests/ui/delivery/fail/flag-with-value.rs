use setl::prelude::*;

#[factory]
fn count(#[delivery(optional = true)] names: Option<Vec<String>>) -> usize {
    names.map_or(0, |names| names.len())
}

fn main() {}
