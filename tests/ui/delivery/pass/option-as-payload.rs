//! An `Option` without `optional` is a payload like any other.
use setl::prelude::*;

#[factory]
fn read() -> Option<u8> {
    Some(1)
}

#[factory]
fn nested(value: Option<u8>, #[delivery(optional)] maybe: Option<Option<u16>>) -> bool {
    value.is_some() && maybe == Some(None)
}

#[pipeline(all(read, nested))]
struct Daily {
    maybe: Option<u16>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert!(*Daily { maybe: None }.run().await?.get::<nested>());
    Ok(())
}
