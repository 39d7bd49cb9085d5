//! What an item or a field says of lints holds for what is generated of it.
#![deny(warnings)]

use std::sync::Arc;

use setl::prelude::*;

#[deprecated]
pub struct Old(u8);

#[allow(deprecated)]
#[factory]
fn read_old(#[delivery(shared)] old: Arc<Old>) -> u8 {
    old.0
}

#[factory(output = u16)]
struct Double {
    #[delivery(shared)]
    #[allow(deprecated)]
    old: Arc<Old>,
}

impl Factory for Double {
    async fn process(&mut self) -> Result<u16> {
        #[allow(deprecated)]
        Ok(u16::from(self.old.0) * 2)
    }
}

#[deprecated]
#[factory]
fn read_nothing() {}

#[allow(deprecated)]
#[pipeline(extract(read_old, Double, read_nothing))]
struct Daily {
    old: Old,
    #[allow(unused_must_use)]
    unused: u32,
    _unused: u64,
}

#[allow(unused)]
#[pipeline(extract(read_old, Double))]
struct Weekly {
    #[allow(deprecated)]
    old: Old,
    unused: u32,
}

#[factory]
#[cfg(any())]
fn without_feature() -> NoSuchType {}

#[factory(output = NoSuchType)]
#[cfg(any())]
struct WithoutFeature;

#[pipeline(extract(no_such_factory))]
#[cfg(any())]
struct PipelineWithoutFeature;

fn main() {
    #[allow(deprecated)]
    let _ = (Daily { old: Old(1), unused: 1, _unused: 1 }, Weekly { old: Old(1), unused: 2 });
}
