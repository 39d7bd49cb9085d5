use setl::prelude::*;

#[factory]
#[factory(blocking)]
fn read() -> u8 {
    1
}

#[factory(output = u16)]
#[setl::factory(output = u32)]
struct Double;

impl Factory for Double {
    async fn process(&mut self) -> Result<u16> {
        Ok(2)
    }
}

#[pipeline(extract(read, Double))]
struct Daily;

fn main() {}
