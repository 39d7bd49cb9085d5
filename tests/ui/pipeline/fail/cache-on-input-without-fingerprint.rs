use setl::prelude::*;

#[derive(Clone)]
struct MinDelay(f64);

#[factory]
fn late(min_delay: MinDelay) -> Vec<f64> {
    vec![min_delay.0]
}

#[factory(cache)]
fn count(late: Vec<f64>) -> usize {
    late.len()
}

#[pipeline(extract(late), transform(count))]
struct Delays {
    min_delay: MinDelay,
}

fn main() {}
