use setl::prelude::*;

struct Connection(u32);

#[factory(output = u32)]
struct ReadOrders {
    connection: Connection,
}

impl Factory for ReadOrders {
    async fn process(&mut self) -> Result<u32> {
        Ok(self.connection.0)
    }
}

fn main() {}
