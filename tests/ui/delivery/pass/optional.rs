use std::sync::Arc;

use setl::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Rate(u8);

struct Model(u8);

/// Delivered by a factory.
#[factory]
fn read() -> u16 {
    1
}

#[factory]
fn take(
    #[delivery(optional)] rate: Option<Rate>,
    #[delivery(optional)] always: Option<u32>,
    #[delivery(optional)] read: Option<u16>,
    #[delivery(optional, shared)] model: Option<Arc<Model>>,
    #[delivery(shared, optional)] always_shared: std::option::Option<std::sync::Arc<u32>>,
) -> (Option<Rate>, Option<u32>, Option<u16>, Option<u8>, bool) {
    (rate, always, read, model.map(|model| model.0), always_shared.is_some())
}

#[pipeline(extract(read), transform(take))]
struct Daily {
    #[delivery(optional)]
    rate: Option<Rate>,
    always: u32,
    #[delivery(optional)]
    model: Option<Model>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { rate: None, always: 2, model: Some(Model(3)) }.run().await?;
    assert_eq!(*run.get::<take>(), (None, Some(2), Some(1), Some(3), true));
    let run = Daily { rate: Some(Rate(1)), always: 2, model: None }.run().await?;
    assert_eq!(*run.get::<take>(), (Some(Rate(1)), Some(2), Some(1), None, true));
    Ok(())
}
