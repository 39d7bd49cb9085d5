use setl::prelude::*;

#[factory(output = Orders)]
struct ReadOrders;

impl Factory for ReadOrders {
    async fn process(&mut self) -> Result<Self::Output> {
        Ok(Default::default())
    }
}

#[factory]
fn read_names() -> Names {
    Default::default()
}

fn main() {}
