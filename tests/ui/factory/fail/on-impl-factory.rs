use setl::prelude::*;

#[factory(output = u32)]
struct ReadOrders;

#[factory]
impl Factory for ReadOrders {
    async fn process(&mut self) -> Result<u32> {
        Ok(1)
    }
}

fn main() {}
