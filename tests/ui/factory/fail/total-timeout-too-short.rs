use setl::prelude::*;

#[factory(timeout = "1m 30s", total_timeout = "10s")]
async fn fetch() -> Result<u8> {
    Ok(1)
}

fn main() {}
