use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory(output = u32)]
struct ReadDay;

impl Factory for ReadDay {
    async fn process(&mut self) -> Result<u32> {
        Ok(1)
    }
}

#[pipeline(read_names, ReadDay)]
struct Daily;

fn main() {}
