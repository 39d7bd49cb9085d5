use setl::prelude::*;

#[factory(when = orders.len())]
fn first(orders: Vec<u8>) {}

#[factory(when = orders.first())]
fn second(orders: Vec<u8>) {}

#[factory(when = enabled)]
fn third(enabled: bool) {}

fn main() {}
