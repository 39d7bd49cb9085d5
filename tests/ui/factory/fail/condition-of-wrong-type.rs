use setl::prelude::*;

#[factory(when = orders.len())]
fn first(orders: Vec<u8>) {
    drop(orders);
}

#[factory(when = orders.first())]
fn second(orders: Vec<u8>) {
    drop(orders);
}

#[factory(when = enabled)]
fn third(enabled: bool) {
    println!("{enabled}");
}

fn main() {}
