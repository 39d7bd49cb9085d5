use setl::prelude::*;

#[factory(output = u8)]
struct One;

impl Factory for One {
    async fn process(&mut self) -> Result<u8> {
        Ok(1)
    }
}

#[factory(output = u16)]
struct Add(#[delivery] u8, u16, #[delivery(optional)] Option<u32>);

impl Factory for Add {
    async fn process(&mut self) -> Result<u16> {
        Ok(u16::from(self.0) + self.1 + self.2.map_or(10, |_| 20))
    }
}

#[factory(output = ())]
struct Empty {}

impl Factory for Empty {
    async fn process(&mut self) -> Result<()> {
        Ok(())
    }
}

#[pipeline(all(One, Add, Empty))]
struct Daily {
    #[delivery(optional)]
    more: Option<u32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert_eq!(*Daily { more: None }.run().await?.get::<Add>(), 11);
    Ok(())
}
