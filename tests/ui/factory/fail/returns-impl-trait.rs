use setl::prelude::*;

#[factory]
fn read_orders() -> impl Iterator<Item = u32> {
    [1, 2].into_iter()
}

#[factory]
fn read_names() -> Result<impl Iterator<Item = u32>> {
    Ok([1, 2].into_iter())
}

fn main() {}
