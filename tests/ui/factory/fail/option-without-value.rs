use setl::prelude::*;

#[factory(id)]
fn read_orders() -> u32 {
    1
}

#[factory(output)]
struct ReadNames;

impl Factory for ReadNames {
    async fn process(&mut self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
