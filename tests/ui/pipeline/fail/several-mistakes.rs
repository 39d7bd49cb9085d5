use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(
    #[barier]
    extract(read_names),
    transform(count, read_names),
    extract(),
    count,
    keep(write),
)]
struct Daily {
    #[delivery(share)]
    first: u32,
    #[delivery(optional)]
    second: u64,
}

fn main() {}
