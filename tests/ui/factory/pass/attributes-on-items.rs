use setl::prelude::*;

#[derive(Debug, Default)]
#[factory(output = u8)]
#[derive(Clone, PartialEq)]
#[must_use]
#[allow(clippy::struct_field_names)]
struct Counter {
    #[delivery]
    #[doc = "The start."]
    start: u32,
    #[allow(dead_code)]
    count: u8,
}

impl Factory for Counter {
    async fn process(&mut self) -> Result<u8> {
        Ok(self.clone().start as u8)
    }
}

/// Documentation.
#[inline]
#[must_use = "it is the answer"]
#[factory]
#[allow(clippy::many_single_char_names)]
#[cfg_attr(all(), doc = "more")]
fn answer() -> u32 {
    42
}

#[pipeline(all(answer, Counter))]
#[derive(Clone, Debug)]
#[non_exhaustive]
struct Daily;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert_eq!(*Daily.clone().run().await?.get::<Counter>(), 42);
    Ok(())
}
