use setl::prelude::*;

#[factory]
fn find_discount() -> Option<f64> {
    None
}

#[factory]
fn price(#[delivery(optional)] discount: Option<f64>) -> u32 {
    (100.0 * (1.0 - discount.unwrap_or(0.0))) as u32
}

#[pipeline(extract(find_discount), transform(price))]
struct Shop;

fn main() {}
