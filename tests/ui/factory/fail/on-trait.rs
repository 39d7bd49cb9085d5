use setl::prelude::*;

#[factory(output = u32)]
trait ReadOrders {}

fn main() {}
