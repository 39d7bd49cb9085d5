use setl::prelude::*;

static RATES: &str = "rates";

#[factory(resource = RATES)]
fn fetch() -> Result<u8> {
    Ok(1)
}

fn main() {}
