use setl::prelude::*;

struct ReadOrders;

impl Factory for ReadOrders {
    async fn process(&mut self) -> Result<u32> {
        Ok(1)
    }
}

fn main() {}
