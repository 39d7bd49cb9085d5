use setl::prelude::*;

#[factory(checkpoint, volatile)]
fn fetch() -> Result<String> {
    Ok(String::new())
}

fn main() {}
