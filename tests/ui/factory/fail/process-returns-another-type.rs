use setl::prelude::*;

#[factory(output = u32)]
struct ReadOrders;

impl Factory for ReadOrders {
    async fn process(&mut self) -> Result<String> {
        Ok(String::new())
    }
}

fn main() {}
