use setl::prelude::*;

#[factory(cache, volatile)]
fn fetch() -> Result<String> {
    Ok(String::new())
}

fn main() {}
