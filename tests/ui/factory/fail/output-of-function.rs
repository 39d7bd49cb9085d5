use setl::prelude::*;

#[factory(output = u32)]
fn read_orders() -> u32 {
    1
}

fn main() {}
