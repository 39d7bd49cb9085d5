use setl::prelude::*;

#[factory(blocking = true)]
fn read_orders() -> u32 {
    1
}

fn main() {}
