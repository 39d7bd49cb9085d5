use setl::prelude::*;

#[factory(on_failure = skp)]
fn first() -> Result<u8> {
    Ok(1)
}

#[factory(on_failure = "skip")]
fn second() -> Result<u16> {
    Ok(1)
}

#[factory(on_failure = fallback)]
fn third() -> Result<u32> {
    Ok(1)
}

#[factory(on_failure = fallback(first, second))]
fn fourth() -> Result<u64> {
    Ok(1)
}

#[factory(on_failure = skip(first))]
fn fifth() -> Result<i8> {
    Ok(1)
}

#[factory(on_failure = panic)]
fn sixth() -> Result<i16> {
    Ok(1)
}

fn main() {}
