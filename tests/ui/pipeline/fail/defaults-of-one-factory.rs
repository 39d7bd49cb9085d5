use setl::prelude::*;

#[factory]
fn fetch() -> Result<u8> {
    Ok(1)
}

#[pipeline(
    defaults(retry(times = 3), on_failure = skip, tmeout = "3s"),
    defaults(total_timeout = "3"),
    extract(fetch)
)]
struct Daily;

fn main() {}
