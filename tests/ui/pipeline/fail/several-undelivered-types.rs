use setl::prelude::*;

#[derive(Clone)]
struct Orders;

#[derive(Clone)]
struct Names;

#[derive(Clone)]
struct Rates;

#[factory]
fn join(_orders: Orders, _names: Names) -> usize {
    0
}

#[factory]
fn convert(_rates: Rates) -> f64 {
    1.0
}

#[pipeline(transform(join, convert))]
struct Daily;

fn main() {}
