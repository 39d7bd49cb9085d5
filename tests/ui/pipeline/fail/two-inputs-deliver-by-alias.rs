use setl::prelude::*;

type Titles = Vec<String>;

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    names: Vec<String>,
    titles: Titles,
}

fn main() {}
