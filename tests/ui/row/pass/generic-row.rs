use setl::dataset::Value;
use setl::prelude::*;

#[derive(Row)]
struct Pair<T>
where
    T: Value<Plain = T> + Send + Sync + 'static,
{
    left: T,
    right: Option<T>,
    #[cfg(any())]
    absent: usize,
}

pub(crate) fn main() {
    assert_eq!(Pair::<i64>::LEFT.name(), "left");
}
