use setl::prelude::*;

#[derive(Clone)]
struct MinDelay(f64);

#[factory]
fn late(min_delay: MinDelay) -> Vec<f64> {
    vec![min_delay.0]
}

#[factory]
fn count(late: Vec<f64>) -> usize {
    late.len()
}

#[factory(checkpoint)]
fn report(count: usize) -> String {
    count.to_string()
}

#[pipeline(extract(late), transform(count), load(report))]
struct Delays {
    #[delivery(optional)]
    limit: Option<u8>,
    min_delay: MinDelay,
}

fn main() {}
