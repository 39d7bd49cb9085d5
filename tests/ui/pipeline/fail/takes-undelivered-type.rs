use setl::prelude::*;

#[derive(Clone)]
struct Order;

#[factory(output = usize)]
struct CountOrders {
    #[delivery]
    orders: Vec<Order>,
}

impl Factory for CountOrders {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.orders.len())
    }
}

#[pipeline(transform(CountOrders))]
struct Daily;

fn main() {}
