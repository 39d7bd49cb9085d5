use setl::prelude::*;

#[factory(output = u32)]
enum ReadOrders {
    Now,
    Later,
}

fn main() {}
