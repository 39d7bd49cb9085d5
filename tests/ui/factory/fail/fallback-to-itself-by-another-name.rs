use setl::prelude::*;

type Same = FetchRate;

#[factory(output = f64, on_failure = fallback(Same))]
struct FetchRate;

impl Factory for FetchRate {
    async fn process(&mut self) -> Result<f64> {
        Ok(1.0)
    }
}

fn main() {}
