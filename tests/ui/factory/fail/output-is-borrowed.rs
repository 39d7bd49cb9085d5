use setl::prelude::*;

#[factory(output = &str)]
struct ReadName;

impl Factory for ReadName {
    async fn process(&mut self) -> Result<Self::Output> {
        unreachable!()
    }
}

#[factory]
fn read_title() -> &str {
    "title"
}

fn main() {}
