use setl::prelude::*;

#[factory(output = usize)]
struct Count {
    #[delivery(default, shared)]
    orders: std::sync::Arc<Vec<u32>>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.orders.len())
    }
}

#[factory]
fn total(#[delivery(default)] orders: Vec<u32>) -> u32 {
    orders.iter().sum()
}

fn main() {}
