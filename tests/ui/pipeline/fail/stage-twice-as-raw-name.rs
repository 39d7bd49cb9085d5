use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn read_day() -> u32 {
    1
}

#[pipeline(extract(read_names), r#extract(read_day))]
struct Daily;

fn main() {}
