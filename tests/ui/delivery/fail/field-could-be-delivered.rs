#![deny(unused_must_use)]

use std::sync::Arc;

use setl::prelude::*;

#[factory]
fn read_orders() -> Vec<u32> {
    vec![20, 22]
}

#[factory(output = usize)]
struct Count {
    #[delivery]
    orders: Vec<u32>,
    scratch: String,
    rows: Vec<u32>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.orders.len() + self.rows.len() + self.scratch.len())
    }
}

#[factory(output = u64)]
struct Sum<T: Send + Sync + 'static> {
    last: Option<Arc<Vec<T>>>,
    #[delivery(default)]
    total: usize,
}

impl<T: Send + Sync + 'static> Factory for Sum<T> {
    async fn process(&mut self) -> Result<u64> {
        Ok(self.last.as_ref().map_or(self.total, |last| last.len()) as u64)
    }
}

#[pipeline(extract(read_orders), transform(Count, Sum<u32>))]
struct Daily;

fn main() {}
