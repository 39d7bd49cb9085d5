use setl::prelude::*;

#[derive(Row)]
struct Flight {
    carrier: &'static str,
}

fn main() {}
