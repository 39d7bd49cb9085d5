use setl::prelude::*;

#[factory(output = usize, when = !self.orders.is_empty())]
struct Count {
    #[delivery]
    orders: Vec<u8>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.orders.len())
    }
}

fn main() {}
