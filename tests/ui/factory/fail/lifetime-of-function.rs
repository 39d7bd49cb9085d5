use setl::prelude::*;

#[factory]
fn count<'a>(names: std::borrow::Cow<'a, str>) -> usize {
    names.len()
}

fn main() {}
