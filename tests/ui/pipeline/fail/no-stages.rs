use setl::prelude::*;

#[pipeline]
struct Daily {
    day: u32,
}

fn main() {}
