use setl::prelude::*;

#[factory(retry(times = 3))]
fn now() -> u64 {
    0
}

#[factory(on_failure = skip)]
async fn later(now: u64) -> String {
    now.to_string()
}

fn main() {}
