use std::error::Error;

use setl::prelude::*;

#[factory]
fn read_orders() -> Result<u32, Box<dyn Error + Send + Sync>> {
    Ok("1".parse()?)
}

fn main() {}
