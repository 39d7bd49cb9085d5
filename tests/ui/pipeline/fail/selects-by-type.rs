use setl::prelude::*;

#[derive(Clone)]
struct Orders;

#[factory]
fn read_orders() -> Orders {
    Orders
}

#[pipeline(extract(read_orders))]
struct Daily;

fn main() {
    let _ = Daily.run().only::<Orders>();
}
