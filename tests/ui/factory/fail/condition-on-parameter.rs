use setl::prelude::*;

#[factory]
fn count(names: Vec<String>, #[cfg(unix)] more: u32) -> usize {
    names.len()
}

fn main() {}
