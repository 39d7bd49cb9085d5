use setl::prelude::*;

type Before = Vec<String>;

#[factory]
fn read_words() -> Vec<String> {
    Vec::new()
}

#[factory]
fn diff(before: Before, after: Vec<String>) -> usize {
    before.len() - after.len()
}

#[pipeline(extract(read_words), transform(diff))]
struct Daily;

fn main() {}
