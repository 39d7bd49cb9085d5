use setl::prelude::*;

#[factory]
mod orders {}

fn main() {}
