use setl::prelude::*;

#[derive(Clone)]
struct MinDelay(f64);

#[factory(checkpoint)]
fn late(min_delay: MinDelay) -> Vec<f64> {
    vec![min_delay.0]
}

#[pipeline(extract(late))]
struct Delays {
    min_delay: MinDelay,
}

fn main() {}
