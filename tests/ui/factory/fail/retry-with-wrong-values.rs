use setl::prelude::*;

#[factory(retry(times = "3"))]
fn first() -> Result<u8> {
    Ok(1)
}

#[factory(retry(times = 3, factor = 0.5, jitter = "no", on = "transient"))]
fn second() -> Result<u16> {
    Ok(1)
}

#[factory(retry(times = 3, backoff = "10s..100ms"))]
fn third() -> Result<u32> {
    Ok(1)
}

fn main() {}
