use setl::prelude::*;

#[derive(Clone)]
struct Orders(Vec<u32>);

#[derive(Clone)]
struct Names(Vec<String>);

#[factory]
fn read_names() -> Names {
    Names(Vec::new())
}

#[factory]
fn join(names: Names, orders: Orders) -> usize {
    names.0.len() + orders.0.len()
}

#[pipeline(extract(read_names), transform(join))]
struct Daily {
    day: u32,
}

fn main() {}
