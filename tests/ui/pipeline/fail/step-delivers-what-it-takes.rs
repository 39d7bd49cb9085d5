use setl::prelude::*;

#[derive(Clone)]
struct Orders;

#[factory]
fn read() -> Orders {
    Orders
}

#[factory]
fn clean(orders: Orders) -> Orders {
    orders
}

#[factory]
fn count(_orders: Orders) -> usize {
    1
}

#[pipeline(extract(read), transform(clean), load(count))]
struct Daily;

fn main() {}
