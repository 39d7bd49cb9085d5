use setl::prelude::*;

#[derive(Row)]
struct Flight {
    #[column(nmae = "dep_delay")]
    delay: f64,
}

fn main() {}
