use setl::prelude::*;

struct ReadOrders;

#[pipeline(extract(ReadOrders))]
struct Daily;

fn main() {}
