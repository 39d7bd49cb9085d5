use setl::prelude::*;

#[derive(Row)]
#[row(rename_all = "camelcase")]
struct Flight {
    dep_delay: f64,
}

fn main() {}
