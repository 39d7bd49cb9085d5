use setl::prelude::*;

#[derive(Clone)]
struct Cache(f64);

#[factory(output = f64, on_failure = fallback(CachedRate))]
struct FetchRate;

impl Factory for FetchRate {
    async fn process(&mut self) -> Result<f64> {
        Ok(1.0)
    }
}

#[factory(output = f64)]
struct CachedRate {
    #[delivery]
    cache: Cache,
}

impl Factory for CachedRate {
    async fn process(&mut self) -> Result<f64> {
        Ok(self.cache.0)
    }
}

#[pipeline(extract(FetchRate))]
struct Daily;

fn main() {}
