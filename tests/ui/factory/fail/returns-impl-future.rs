use std::future::Future;

use setl::prelude::*;

#[factory]
fn fetch() -> impl Future<Output = Result<u8>> + Send {
    async { Ok(1) }
}

fn main() {}
