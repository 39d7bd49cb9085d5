use setl::prelude::*;

fn is_busy(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ResourceBusy
}

#[factory(retry(times = 3, on = is_busy))]
fn first() -> Result<u8> {
    Ok(1)
}

#[factory(retry(times = 3, on = |error| error.to_string()))]
fn second() -> Result<u16> {
    Ok(1)
}

#[factory(retry(times = 3, on = transiant))]
fn third() -> Result<u32> {
    Ok(1)
}

fn main() {}
