use setl::prelude::*;

#[derive(Clone)]
struct Prices;

#[derive(Clone)]
struct Orders;

#[factory]
fn price(_orders: Orders) -> Prices {
    Prices
}

#[factory]
fn order(_prices: Prices) -> Orders {
    Orders
}

#[pipeline(transform(price, order))]
struct Daily;

fn main() {}
