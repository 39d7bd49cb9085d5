//! A result of another name may have its error first. What is not a result may have one in it.

use setl::prelude::*;

type DbResult<E, T> = std::result::Result<T, E>;

#[factory]
fn read_rows() -> DbResult<std::num::ParseIntError, Vec<u32>> {
    Ok(vec!["1".parse()?, "2".parse()?])
}

#[factory(id = Failed)]
async fn fail<T>() -> DbResult<std::fmt::Error, Vec<T>> {
    Err(std::fmt::Error)
}

struct Failed;

#[factory]
fn parse(rows: Vec<u32>) -> Vec<std::result::Result<u32, String>> {
    rows.into_iter().map(|row| if row > 1 { Ok(row) } else { Err(row.to_string()) }).collect()
}

#[factory]
fn count(rows: Vec<std::result::Result<u32, String>>, #[delivery(id = Failed)] more: Vec<u32>) -> usize {
    rows.len() + more.len()
}

#[pipeline(extract(read_rows, fail<u32>), transform(parse, count))]
struct Daily;

#[tokio::main]
async fn main() {
    let error = Daily.run().await.unwrap_err();
    assert_eq!(error.failures()[0].factory, "fail<u32>");
}
