use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[pipeline(#[fast] extract(read_names))]
struct Daily;

fn main() {}
