use setl::prelude::*;

#[factory(output = [u8; N])]
struct Fill<const N: usize> {
    #[delivery]
    value: u8,
}

impl<const N: usize> Factory for Fill<N> {
    async fn process(&mut self) -> Result<[u8; N]> {
        Ok([self.value; N])
    }
}

#[factory]
fn sum<const N: usize>(values: [u8; N]) -> u64 {
    values.iter().map(|value| u64::from(*value)).sum()
}

#[factory]
fn first<T: Clone, const N: usize>(values: [T; N]) -> Option<T> {
    values.first().cloned()
}

#[pipeline(fill(Fill<3>, Fill<{ 2 + 2 }>), sum(sum<3>, first<u8, 4>))]
struct Sums {
    value: u8,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Sums { value: 5 }.run().await?;
    assert_eq!((*run.get::<sum<3>>(), *run.get::<first<u8, 4>>()), (15, Some(5)));
    Ok(())
}
