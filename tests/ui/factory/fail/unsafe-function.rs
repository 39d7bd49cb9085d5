use setl::prelude::*;

#[factory]
unsafe fn read_orders() -> u32 {
    1
}

fn main() {}
