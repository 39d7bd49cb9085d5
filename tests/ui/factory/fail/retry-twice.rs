use setl::prelude::*;

#[factory(retry(times = 3), timeout = "1s", retry(times = 4))]
fn fetch() -> Result<u8> {
    Ok(1)
}

fn main() {}
