use setl::prelude::*;

#[factory]
fn double(#[cfg_attr(all(), delivery(optional))] price: Option<f64>) -> f64 {
    price.map_or(0.0, |price| price * 2.0)
}

#[pipeline(transform(double))]
struct Daily;

fn main() {}
