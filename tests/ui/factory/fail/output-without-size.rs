use setl::prelude::*;

trait Model: Send + Sync {}

#[factory(output = str)]
struct Name;

impl Factory for Name {
    async fn process(&mut self) -> Result<Self::Output> {
        unimplemented!()
    }
}

#[factory(output = dyn Model)]
struct Train;

impl Factory for Train {
    async fn process(&mut self) -> Result<Self::Output> {
        unimplemented!()
    }
}

#[factory]
fn numbers() -> [u8] {
    unimplemented!()
}

#[factory]
fn text() -> Result<str> {
    unimplemented!()
}

#[pipeline(extract(Name, Train, numbers, text))]
struct Daily;

fn main() {}
