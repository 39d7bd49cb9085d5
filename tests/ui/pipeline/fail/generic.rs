use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[pipeline(extract(read_names))]
struct Daily<T> {
    source: Vec<T>,
}

fn main() {}
