use setl::prelude::*;

#[factory]
fn count(#[delivery(id = "raw")] names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    #[delivery(id = "raw")]
    names: Vec<String>,
}

fn main() {}
