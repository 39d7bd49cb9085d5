#![deny(unused_must_use)]

use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[pipeline(extract(read_names))]
struct Daily;

fn main() {
    Daily.run();
}
