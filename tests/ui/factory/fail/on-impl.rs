use setl::prelude::*;

struct ReadOrders;

#[factory]
impl ReadOrders {
    fn read() {}
}

fn main() {}
