use std::marker::PhantomData;

use setl::prelude::*;

#[factory]
fn parse<T: From<u8>>(number: u8) -> T {
    T::from(number)
}

#[factory(output = T)]
struct Load<T: Send + Sync + 'static = std::result::Result<f64, std::fmt::Error>> {
    #[delivery]
    number: u8,
    marker: PhantomData<T>,
}

impl<T: Send + Sync> Factory for Load<T> {
    async fn process(&mut self) -> Result<T> {
        Err(setl::Error::msg("not there"))
    }
}

type Parsed = Load<std::result::Result<u8, std::fmt::Error>>;

#[pipeline(extract(Load, Parsed, parse<u16>))]
struct Daily {
    number: u8,
}

fn main() {}
