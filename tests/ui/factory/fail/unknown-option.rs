use setl::prelude::*;

#[factory(quick)]
fn read_orders() -> u32 {
    1
}

fn main() {}
