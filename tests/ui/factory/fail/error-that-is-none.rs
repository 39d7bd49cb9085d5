use setl::prelude::*;

#[factory]
fn read_orders() -> Result<u32, String> {
    Ok(1)
}

fn main() {}
