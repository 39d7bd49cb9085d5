use setl::prelude::*;

#[delivery]
fn names() -> Vec<String> {
    Vec::new()
}

fn main() {
    names();
}
