use setl::prelude::*;

#[factory(output = Vec<Self>)]
#[derive(Clone, Default, PartialEq, Debug)]
struct Next {
    #[delivery]
    seed: u8,
    before: Vec<Self>,
    other: Option<Box<Self>>,
}

impl Factory for Next {
    async fn process(&mut self) -> Result<Vec<Self>> {
        self.before.push(self.clone());
        let _ = &self.other;
        Ok(std::mem::take(&mut self.before))
    }
}

#[pipeline(only(Next))]
struct Daily {
    seed: u8,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert_eq!(Daily { seed: 3 }.run().await?.get::<Next>()[0].seed, 3);
    Ok(())
}
