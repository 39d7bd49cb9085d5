use setl::prelude::*;

#[derive(Clone)]
struct Rates(f64);

#[factory(on_failure = skip)]
fn fetch_rates() -> Result<Rates> {
    Ok(Rates(1.0))
}

#[factory]
fn report(rates: Rates) -> String {
    rates.0.to_string()
}

#[pipeline(extract(fetch_rates), load(report))]
struct Daily;

fn main() {}
