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

#[factory]
fn first(names: Vec<String>) -> Option<&str> {
    names.first().map(|_| "")
}

fn main() {}
