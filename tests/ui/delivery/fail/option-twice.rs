use setl::prelude::*;

#[factory]
fn count(#[delivery(optional, optional)] names: Option<Vec<String>>) -> usize {
    names.map_or(0, |names| names.len())
}

fn main() {}
