use setl::prelude::*;

#[factory]
fn count(names: impl Iterator<Item = String>) -> usize {
    names.count()
}

fn main() {}
