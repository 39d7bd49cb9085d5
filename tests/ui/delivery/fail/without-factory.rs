use setl::prelude::*;

struct Count {
    #[delivery]
    names: Vec<String>,
}

fn main() {}
