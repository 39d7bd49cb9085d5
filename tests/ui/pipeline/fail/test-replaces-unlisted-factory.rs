use setl::prelude::*;
use setl::testing;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn read_day() -> u32 {
    1
}

#[pipeline(extract(read_names))]
struct Daily;

fn main() {
    let _ = testing::pipeline(Daily).replace::<read_day>(2);
}
