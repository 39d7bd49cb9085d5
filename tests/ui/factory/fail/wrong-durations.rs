use setl::prelude::*;

#[factory(timeout = "30 secs?")]
fn punctuation() {}

#[factory(timeout = "30 secs")]
fn long_unit() {}

#[factory(timeout = "5M")]
fn months() {}

#[factory(timeout = "30")]
fn no_unit() {}

#[factory(timeout = "0s")]
fn no_time() {}

#[factory(timeout = "")]
fn empty() {}

#[factory(timeout = 30)]
fn number() {}

#[factory(timeout = 5m)]
fn suffix() {}

#[factory(total_timeout = std::time::Duration::from_secs(3))]
fn expression() {}

#[factory(total_timeout = "1000000d")]
fn forever() {}

fn main() {}
