use std::collections::BTreeMap;
use std::sync::Arc;

use setl::prelude::*;

type Alias<T> = Vec<T>;

trait Shape: Send + Sync {
    fn area(&self) -> u8;
}

struct Square;

impl Shape for Square {
    fn area(&self) -> u8 {
        1
    }
}

#[factory]
fn tuple() -> (u8, &'static str) {
    (1, "a")
}

#[factory]
fn array() -> [u8; 3] {
    [1; 3]
}

#[factory]
fn function() -> fn(u8) -> u8 {
    |value| value + 1
}

#[factory]
fn text() -> &'static str {
    "text"
}

#[factory]
fn shape() -> Box<dyn Shape> {
    Box::new(Square)
}

#[factory]
fn map() -> BTreeMap<u8, Alias<u8>> {
    BTreeMap::from([(1, vec![1])])
}

#[factory]
fn take(
    tuple: (u8, &'static str),
    array: [u8; 3],
    function: fn(u8) -> u8,
    text: &'static str,
    #[delivery(shared)] shape: Arc<Box<dyn Shape>>,
    map: BTreeMap<u8, Vec<u8>>,
    alias: Vec<i8>,
) -> usize {
    let small = tuple.0 + array[0] + function(1) + shape.area() + map[&1][0];
    small as usize + text.len() + alias.len()
}

#[pipeline(all(tuple, array, function, text, shape, map, take))]
struct Daily {
    alias: Alias<i8>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert_eq!(*Daily { alias: vec![1] }.run().await?.get::<take>(), 11);
    Ok(())
}
