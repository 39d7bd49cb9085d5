use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[pipeline(extract(read_names))]
enum Daily {
    Morning,
}

fn main() {}
