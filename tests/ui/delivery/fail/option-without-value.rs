use setl::prelude::*;

#[factory]
fn count(#[delivery(id)] names: Vec<String>, #[delivery(producer =)] more: Vec<u32>) -> usize {
    names.len() + more.len()
}

fn main() {}
