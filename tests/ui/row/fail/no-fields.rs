use setl::prelude::*;

#[derive(Row)]
struct Flight {}

fn main() {}
