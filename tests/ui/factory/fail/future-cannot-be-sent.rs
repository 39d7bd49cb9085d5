use std::rc::Rc;

use setl::prelude::*;

#[factory(output = u32)]
struct ReadOrders;

impl Factory for ReadOrders {
    async fn process(&mut self) -> Result<u32> {
        let cache = Rc::new(1);
        tokio::task::yield_now().await;
        Ok(*cache)
    }
}

fn main() {}
