use setl::prelude::*;

#[derive(Row)]
struct Flight(String, f64);

fn main() {}
