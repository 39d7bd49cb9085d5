use setl::prelude::*;

#[factory(when = true)]
fn find_discount() -> f64 {
    0.1
}

#[factory]
fn price(discount: Option<f64>) -> u32 {
    (100.0 * (1.0 - discount.unwrap_or(0.0))) as u32
}

#[pipeline(extract(find_discount), transform(price))]
struct Shop;

fn main() {}
