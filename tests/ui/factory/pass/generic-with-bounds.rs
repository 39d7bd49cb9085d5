use std::fmt::{Debug, Display};
use std::marker::PhantomData;

use setl::prelude::*;

#[factory(output = Vec<String>)]
struct Show<T, U = u8>
where
    T: Display + Clone,
    U: Debug,
{
    #[delivery]
    values: Vec<T>,
    unused: PhantomData<U>,
}

impl<T: Display + Clone + Send + Sync + 'static, U: Debug + Send + Sync + 'static> Factory for Show<T, U> {
    async fn process(&mut self) -> Result<Vec<String>> {
        let _ = self.unused;
        Ok(self.values.iter().map(T::to_string).collect())
    }
}

#[factory]
fn parse<T>(lines: Vec<String>) -> Result<Vec<(T, usize)>>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    lines.iter().map(|line| Ok((line.parse()?, line.len()))).collect()
}

#[pipeline(
    show(Show<i32>),
    parse(parse<f64>),
)]
struct Round {
    values: Vec<i32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Round { values: vec![1, 22] }.run().await?;
    assert_eq!(*run.get::<parse<f64>>(), [(1.0, 1), (22.0, 2)]);
    Ok(())
}
