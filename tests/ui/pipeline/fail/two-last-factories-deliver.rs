use setl::prelude::*;

#[factory]
fn count_orders() -> usize {
    1
}

#[factory]
fn count_customers() -> usize {
    2
}

#[pipeline(load(count_orders, count_customers))]
struct Daily;

fn main() {}
