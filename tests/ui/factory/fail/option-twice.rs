use setl::prelude::*;

struct Raw;

#[factory(id = Raw, id = Raw)]
fn read_orders() -> u32 {
    1
}

fn main() {}
