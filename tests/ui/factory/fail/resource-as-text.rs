use setl::prelude::*;

#[factory(resource = "rates-service")]
fn fetch() -> Result<u8> {
    Ok(1)
}

#[factory(resource = setl::policy::Resource::new("rates"))]
fn fetch_again() -> Result<u16> {
    Ok(1)
}

fn main() {}
