use setl::prelude::*;

#[factory]
fn read_orders() -> Vec<u32> {
    vec![1]
}

#[factory]
fn total(#[delivery(producer = read_orders)] orders: Vec<u64>) -> u64 {
    orders.iter().sum()
}

#[pipeline(extract(read_orders), transform(total))]
struct Daily;

fn main() {}
