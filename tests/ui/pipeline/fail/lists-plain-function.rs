use setl::prelude::*;

fn read_orders() -> u32 {
    1
}

#[pipeline(extract(read_orders))]
struct Daily;

fn main() {}
