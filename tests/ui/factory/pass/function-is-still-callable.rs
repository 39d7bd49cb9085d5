use setl::prelude::*;

#[factory]
fn double(value: u8) -> u16 {
    u16::from(value) * 2
}

#[factory]
async fn add(#[delivery(optional)] value: Option<u16>, mut more: u8) -> Result<u32> {
    more += 1;
    Ok(u32::from(value.unwrap_or_default()) + u32::from(more))
}

#[factory]
fn swap((left, right): (u8, i8), [first, _]: [u8; 2], _: u64) -> (i8, u8) {
    (right, left + first)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert_eq!(double(4), 8);
    assert_eq!(add(Some(1), 2).await?, 4);
    assert_eq!([1, 2].map(double), [2, 4]);
    assert_eq!(swap((1, 2), [3, 4], 5), (2, 4));
    assert_eq!(setl::testing::factory::<double>((4,)).await?, 8);
    assert_eq!(setl::testing::factory::<swap>(((1, 2), [3, 4], 5)).await?, (2, 4));
    Ok(())
}
