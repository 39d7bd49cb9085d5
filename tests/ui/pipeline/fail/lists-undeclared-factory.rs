use setl::prelude::*;

#[factory]
fn read_orders() -> u32 {
    1
}

#[pipeline(extract(read_orders, ReadNames))]
struct Daily;

fn main() {}
