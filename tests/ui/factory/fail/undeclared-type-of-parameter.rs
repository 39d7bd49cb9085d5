use setl::prelude::*;

#[factory]
fn count(orders: Orders) -> usize {
    orders.len()
}

#[pipeline(transform(count))]
struct Daily;

fn main() {}
