use setl::prelude::*;

#[factory(cache = true)]
fn yes() -> u32 {
    1
}

#[factory(cache(max_ages = "7d"))]
fn misspelt() -> u32 {
    1
}

#[factory(cache(max_age = 7))]
fn number() -> u32 {
    1
}

#[factory(cache(max_age = "0s"))]
fn no_time() -> u32 {
    1
}

#[factory(cache(max_age = "1w"), cache)]
fn twice() -> u32 {
    1
}

fn main() {}
