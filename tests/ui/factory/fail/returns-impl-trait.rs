use setl::prelude::*;

#[factory]
fn read_orders() -> impl Iterator<Item = u32> {
    [1, 2].into_iter()
}

#[factory]
fn read_names() -> Result<impl Iterator<Item = u32>> {
    Ok([1, 2].into_iter())
}

#[factory]
fn read_pairs() -> Result<Vec<impl Clone>> {
    Ok(vec![1, 2])
}

fn main() {}
