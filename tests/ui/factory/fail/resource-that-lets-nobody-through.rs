//! Mistake: bounds of a resource under which nobody could use it.

use std::time::Duration;

use setl::policy::Resource;
use setl::prelude::*;

static RATES: Resource = Resource::new("rates").max_concurrent(0);
static ORDERS: Resource = Resource::new("orders").breaker(0, Duration::from_secs(30));

#[factory(resource = RATES)]
fn fetch_rates() -> Result<f64> {
    Ok(1.1)
}

#[factory(resource = ORDERS)]
fn fetch_orders() -> Result<u32> {
    Ok(3)
}

fn main() {}
