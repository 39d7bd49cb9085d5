use setl::prelude::*;

#[factory]
fn convert(#[delivery(optional)] rate: Option<f32>) -> f64 {
    rate.unwrap_or(1.0).into()
}

#[pipeline(transform(convert))]
struct Daily {
    #[delivery(optional)]
    rate: f32,
}

fn main() {
    let _ = Daily { rate: 1.0 }.run();
}
