use setl::prelude::*;

#[derive(Row)]
struct Flight<'a> {
    carrier: std::borrow::Cow<'a, str>,
}

fn main() {}
