use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn read_day() -> u32 {
    1
}

#[pipeline(extract(read_names), keep(read_day))]
struct Daily;

fn main() {}
