use setl::prelude::*;

#[factory]
fn price(#[delivery(optional)] discount: Option<f64>) -> u32 {
    (100.0 * (1.0 - discount.unwrap_or(0.0))) as u32
}

#[pipeline(transform(price))]
struct Shop {
    discount: Option<f64>,
}

fn main() {}
