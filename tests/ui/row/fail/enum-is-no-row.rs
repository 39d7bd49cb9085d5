use setl::prelude::*;

#[derive(Row)]
enum Flight {
    Flown,
    Cancelled,
}

fn main() {}
