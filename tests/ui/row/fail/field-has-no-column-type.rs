use setl::prelude::*;

#[derive(Row)]
struct Flight {
    carrier: String,
    seats: usize,
}

fn main() {}
