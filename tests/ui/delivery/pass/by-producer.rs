use setl::prelude::*;

struct Raw;

#[factory(id = Raw)]
fn read() -> Vec<u8> {
    vec![1, 2]
}

#[factory(output = Vec<u8>)]
struct Generic<T: Clone> {
    #[delivery]
    value: T,
}

impl<T: Clone + Into<u8> + Send + Sync + 'static> Factory for Generic<T> {
    async fn process(&mut self) -> Result<Vec<u8>> {
        Ok(vec![self.value.clone().into()])
    }
}

#[factory]
fn sum(
    #[delivery(producer = read)] first: Vec<u8>,
    #[delivery(producer = Generic<bool>)] second: Vec<u8>,
    #[delivery(producer = self::read, shared)] third: std::sync::Arc<Vec<u8>>,
    #[delivery(producer = read, optional)] fourth: Option<Vec<u8>>,
) -> u8 {
    [first, second, third.to_vec(), fourth.unwrap_or_default()].concat().iter().sum()
}

/// The producer is a parameter.
#[factory]
fn length<F>(#[delivery(producer = F)] values: Vec<u8>) -> usize
where
    F: Factory + setl::factory::FactoryItem<Output = Vec<u8>> + Sync,
{
    values.len()
}

#[pipeline(extract(read, Generic<bool>), transform(sum, length<read>))]
struct Daily {
    value: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { value: true }.run().await?;
    assert_eq!(*run.get::<sum>(), 10);
    Ok(())
}
