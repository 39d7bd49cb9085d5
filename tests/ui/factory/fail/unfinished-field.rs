use setl::prelude::*;

#[factory(output = u16)]
struct Double {
    #[delivery]
    value: u8,
    factor
}

impl Factory for Double {
    async fn process(&mut self) -> Result<u16> {
        Ok(u16::from(self.value) * 2)
    }
}

#[pipeline(transform(Double))]
struct Daily {
    value: u8,
}

fn main() {
    let _ = Daily { value: 1 }.run();
}
