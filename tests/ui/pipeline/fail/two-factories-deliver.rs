use setl::prelude::*;

#[derive(Clone)]
struct Orders;

#[factory]
fn read_orders() -> Orders {
    Orders
}

#[factory(output = Orders)]
struct FetchOrders;

impl Factory for FetchOrders {
    async fn process(&mut self) -> Result<Orders> {
        Ok(Orders)
    }
}

#[factory]
fn count(_orders: Orders) -> usize {
    0
}

#[pipeline(
    extract(read_orders, FetchOrders),
    transform(count),
)]
struct Daily;

fn main() {}
