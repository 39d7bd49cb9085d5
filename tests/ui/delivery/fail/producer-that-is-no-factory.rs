use setl::prelude::*;

struct Orders;

#[factory]
fn total(#[delivery(producer = Orders)] orders: Vec<u64>) -> u64 {
    orders.iter().sum()
}

fn main() {}
