use std::rc::Rc;

use setl::prelude::*;

#[factory]
async fn read_orders() -> u32 {
    let cache = Rc::new(1);
    tokio::task::yield_now().await;
    *cache
}

fn main() {}
