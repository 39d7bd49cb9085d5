use setl::prelude::*;

#[factory(id = "Raw")]
fn read_orders() -> u32 {
    1
}

fn main() {}
