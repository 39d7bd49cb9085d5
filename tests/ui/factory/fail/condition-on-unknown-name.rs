use setl::prelude::*;

#[factory(output = usize, when = !oders.is_empty() && !seen)]
struct Count {
    #[delivery]
    orders: Vec<u8>,
    seen: bool,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        self.seen = true;
        Ok(self.orders.len())
    }
}

fn main() {}
