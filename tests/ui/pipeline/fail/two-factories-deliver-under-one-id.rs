use setl::prelude::*;

struct Raw;

#[factory(id = Raw)]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory(id = Raw)]
fn fetch_names() -> Vec<String> {
    Vec::new()
}

#[pipeline(extract(read_names, fetch_names))]
struct Daily;

fn main() {}
