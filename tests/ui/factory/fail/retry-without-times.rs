use setl::prelude::*;

#[factory(retry)]
fn first() -> Result<u8> {
    Ok(1)
}

#[factory(retry())]
fn second() -> Result<u16> {
    Ok(1)
}

#[factory(retry(backoff = "1s"))]
fn third() -> Result<u32> {
    Ok(1)
}

fn main() {}
