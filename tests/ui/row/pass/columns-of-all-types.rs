use setl::chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use setl::prelude::*;

#[derive(Row)]
struct Everything {
    a: i8,
    b: i16,
    c: i32,
    d: i64,
    e: u8,
    f: u16,
    g: u32,
    h: u64,
    i: f32,
    j: f64,
    k: bool,
    l: String,
    m: NaiveDate,
    n: NaiveDateTime,
    o: TimeDelta,
    p: NaiveTime,
    q: Option<i64>,
    r: Option<String>,
    s: Option<NaiveDate>,
}

pub(crate) fn main() {
    assert_eq!(Everything::columns().len(), 19);
}
