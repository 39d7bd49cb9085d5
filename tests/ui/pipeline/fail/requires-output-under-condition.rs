use setl::prelude::*;

#[derive(Clone)]
struct Rates(f64);

#[factory(output = Rates, when = *full)]
struct FetchRates {
    #[delivery]
    full: bool,
}

impl Factory for FetchRates {
    async fn process(&mut self) -> Result<Rates> {
        Ok(Rates(if self.full { 1.0 } else { 0.0 }))
    }
}

#[factory]
fn report(#[delivery(shared, producer = FetchRates)] rates: std::sync::Arc<Rates>) -> String {
    rates.0.to_string()
}

#[pipeline(extract(FetchRates), load(report))]
struct Daily {
    full: bool,
}

fn main() {}
