use setl::prelude::*;

#[factory(output = Orders)]
struct ReadOrders;

impl Factory for ReadOrders {
    async fn process(&mut self) -> Result<Self::Output> {
        todo!()
    }
}

#[factory]
fn read_names() -> Names {
    todo!()
}

fn main() {}
