//! What may be skipped is taken as optional, or by nobody.

use std::sync::Arc;

use elsewhere::first;
use setl::prelude::*;

#[derive(Clone)]
struct Rates(f64);

#[factory(on_failure = skip)]
fn fetch_rates() -> Result<Rates> {
    Ok(Rates(1.0))
}

#[factory(output = String, when = rates.is_some())]
struct Convert {
    #[delivery(optional)]
    rates: Option<Rates>,
}

impl Factory for Convert {
    async fn process(&mut self) -> Result<String> {
        Ok(self.rates.as_ref().map_or(0.0, |rates| rates.0).to_string())
    }
}

#[factory]
fn report(
    #[delivery(optional, shared, producer = Convert)] text: Option<Arc<String>>,
    #[delivery(optional)] first: Option<u8>,
) -> usize {
    text.map_or(0, |text| text.len()) + usize::from(first.unwrap_or(0))
}

/// Nobody takes what it delivers.
#[factory(when = r#type.len() > 2)]
fn clean_up(r#type: String) {
    drop(r#type);
}

#[factory]
fn kind() -> String {
    String::new()
}

mod other {
    use setl::prelude::*;

    #[super::pipeline(all(super::kind, super::clean_up))]
    pub struct Cleaning;

    #[factory(when = true, on_failure = fail)]
    async fn always() -> Result<()> {
        Ok(())
    }

    #[pipeline(all(always))]
    pub struct Nothing;
}

#[pipeline(extract(fetch_rates, first<u8>), transform(Convert), load(report), keep(Convert))]
struct Daily {
    bytes: Vec<u8>,
}

fn main() {
    let _ = (Daily { bytes: Vec::new() }, other::Cleaning, other::Nothing);
    let _ = async {
        let run = Daily { bytes: vec![1] }.run().await?;
        println!("{}", run.get::<report>());
        Result::<()>::Ok(())
    };
}
