use setl::prelude::*;

#[derive(Clone)]
struct Orders;

struct Raw;

#[factory(id = Raw)]
fn read() -> Orders {
    Orders
}

#[factory]
fn publish(#[delivery(id = Raw)] _orders: Orders) {}

#[factory]
fn count(_orders: Orders) -> usize {
    1
}

#[pipeline(extract(read), load(publish, count))]
struct Daily;

fn main() {}
