//! Mistake: a pipeline is listed as if it were a factory.

use setl::prelude::*;

#[factory]
fn count() -> u32 {
    3
}

#[pipeline(extract(count))]
struct Daily;

#[pipeline(all(Daily))]
struct Weekly;

fn main() {}
