use setl::prelude::*;

#[derive(Row)]
struct Sale {
    #[column("of")]
    product: String,
}

fn main() {}
