use setl::prelude::*;
use setl::testing;

#[derive(Clone)]
struct Offset(f64);

#[factory]
fn kelvin(celsius: f64, offset: Offset) -> f64 {
    celsius + offset.0
}

fn main() {
    let _ = testing::factory::<kelvin>((20.0,));
}
