use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[pipeline(extract(read_names), transform(read_names))]
struct Daily;

fn main() {}
