use setl::prelude::*;

#[factory(output = u32)]
struct ReadOrders;

impl Factory for ReadOrders {}

fn main() {}
