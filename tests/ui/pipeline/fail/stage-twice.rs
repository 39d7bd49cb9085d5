use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn read_day() -> u32 {
    1
}

#[pipeline(extract(read_names), extract(read_day))]
struct Daily;

fn main() {}
