//! Names that generated code uses itself, and methods of traits that every type has, mean what they mean elsewhere.
#![allow(non_camel_case_types, non_snake_case, dead_code)]

use std::sync::Arc;

use setl::prelude::*;

trait Clashes: Sized {
    const PRINTS: u8 = 1;

    fn inspector(self) {}
    fn undo(self) {}
    fn persistence(self) {}
    fn via(self) {}
    fn fingerprint_of(self) {}
    fn take(self) {}
    fn node(self) {}
    fn as_ref(self) {}
    fn into_result(self) {}
}

impl<T> Clashes for T {}

const KEPT: usize = 3;
const ORDER: usize = 1;
const FROM: usize = 1;
const NAMES: usize = 2;
const LINKS: usize = 2;

#[factory]
fn str() -> u8 {
    1
}

#[factory(cache)]
fn bool(inbox: u8) -> u16 {
    inbox.into()
}

#[factory(retry(times = 2))]
fn u128<ThePipeline: From<u16>>(resource: u16) -> Result<Vec<ThePipeline>> {
    Ok(vec![resource.into()])
}

#[factory]
fn fill<const N: usize>(first: Vec<u32>) -> [u64; N] {
    [first[0].into(); N]
}

#[factory]
fn ThePipeline(marker: [u64; KEPT], deliveries: [u8; ORDER], names: [u16; FROM], links: [u32; LINKS]) -> i64 {
    (marker.len() + deliveries.len() + names.len() + links.len()) as i64
}

#[factory]
fn length<T: ?Sized + std::fmt::Debug>(text: Arc<T>) -> usize {
    format!("{text:?}").len()
}

struct Within<T>(T);

#[factory(output = i8)]
struct Selfish {
    #[delivery(shared, producer = within::<Self>)]
    within: Arc<Within<Option<Self>>>,
}

#[factory]
fn within<T: Send + Sync + 'static>() -> Within<Option<T>> {
    Within(None)
}

impl Factory for Selfish {
    async fn process(&mut self) -> Result<i8> {
        Ok(if self.within.0.is_none() { 1 } else { 2 })
    }
}

#[pipeline(
    extract(
        /// The first of all.
        str,
        bool,
        u128::<u32>,
        fill::<KEPT>,
    ),
    load(ThePipeline, length<std::primitive::str>, within<Selfish>, Selfish),
    keep(self::bool, u128<u32>)
)]
struct Daily {
    deliveries: [std::primitive::u8; ORDER],
    names: [std::primitive::u16; FROM],
    links: [std::primitive::u32; LINKS],
    text: Arc<std::primitive::str>,
    _unused: i32,
    #[allow(unused_must_use)]
    unused_too: std::marker::PhantomData<Within<Self>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let daily = Daily {
        deliveries: [1],
        names: [1],
        links: [1, 2],
        text: "tea".into(),
        _unused: 1,
        unused_too: std::marker::PhantomData,
    };
    let run = daily.run().await?;
    assert_eq!((*run.get::<bool>(), *run.get::<length<std::primitive::str>>()), (1, 5));
    assert_eq!(run.get::<u128<u32>>(), &[1]);
    assert_eq!((*run.get::<ThePipeline>(), *run.get::<Selfish>()), (7, 1));
    Ok(())
}
