//! Mistake: a part of a run is asked for with a type that is no factory.

use setl::prelude::*;

#[factory]
fn count() -> u32 {
    3
}

#[pipeline(only(count))]
struct Daily;

fn main() {
    let _ = Daily.run().only::<u8>();
}
