use setl::prelude::*;

#[factory(when = true)]
fn price(order: u16) -> u8 {
    order as u8
}

#[factory]
fn order(price: u8) -> u16 {
    u16::from(price)
}

#[pipeline(transform(price, order))]
struct Daily;

fn main() {}
