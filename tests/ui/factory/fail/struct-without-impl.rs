use setl::prelude::*;

#[factory(output = u32)]
struct ReadOrders;

#[pipeline(extract(ReadOrders))]
struct Daily;

fn main() {}
