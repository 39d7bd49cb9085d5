use setl::prelude::*;

#[factory]
fn read_parser() -> Box<dyn Fn(&str) -> usize + Send + Sync> {
    Box::new(str::len)
}

#[factory]
fn double(number: u64) -> u32 {
    number as u32
}

#[pipeline(extract(read_parser), transform(double))]
struct Daily {
    parse: fn(&str) -> usize,
}

fn main() {}
