#![allow(private_interfaces)]

use setl::prelude::*;

#[derive(Clone)]
struct Orders;

#[factory]
pub fn read_orders() -> Orders {
    Orders
}

#[factory(output = usize)]
pub struct Count {
    #[delivery]
    orders: Orders,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        let _ = &self.orders;
        Ok(1)
    }
}

fn main() {}
