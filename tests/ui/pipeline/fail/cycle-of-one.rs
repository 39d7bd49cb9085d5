use setl::prelude::*;

#[factory]
fn refine(draft: String) -> String {
    draft
}

#[pipeline(transform(refine))]
struct Daily;

fn main() {}
