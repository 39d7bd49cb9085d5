use setl::prelude::*;

#[derive(Row)]
struct Flight {
    delay: f64,
    #[column("delay")]
    arrival_delay: f64,
}

fn main() {}
