use setl::prelude::*;

#[factory(retry(times = 3, backof = "1s"))]
fn fetch() -> Result<u8> {
    Ok(1)
}

fn main() {}
