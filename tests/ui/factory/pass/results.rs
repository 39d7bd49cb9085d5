use setl::prelude::*;

type AppResult<T> = std::result::Result<T, std::fmt::Error>;

struct NoResult(u8);

#[derive(Debug)]
struct OwnError;

impl std::fmt::Display for OwnError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("own")
    }
}

impl std::error::Error for OwnError {}

type Just = std::result::Result<NoResult, std::io::Error>;

#[derive(Clone)]
struct TestResult;

#[factory]
fn alias() -> AppResult<u8> {
    Ok(1)
}

#[factory]
fn io() -> std::io::Result<u16> {
    Ok(2)
}

#[factory]
fn own() -> setl::Result<u32> {
    Ok(3)
}

#[factory]
fn std_result() -> std::result::Result<u64, std::num::ParseIntError> {
    "4".parse()
}

#[factory]
fn own_error() -> Result<i8, OwnError> {
    Err(OwnError).or(Ok(5))
}

#[factory]
fn plain() -> i16 {
    6
}

// Named like a result, and without arguments: a type of its own.
#[factory]
fn named() -> TestResult {
    TestResult
}

#[factory]
async fn nothing() {}

#[factory]
fn nothing_at_worst() -> Result<()> {
    Ok(())
}

#[factory]
fn unit() -> () {}

#[factory]
fn take(_a: u8, _b: u16, _c: u32, _d: u64, _e: i8, _f: i16, _g: TestResult) -> bool {
    let _: Just = Ok(NoResult(0));
    let Ok(NoResult(zero)) = Just::Ok(NoResult(0)) else { return false };
    zero == 0
}

#[pipeline(
    all(alias, io, own, std_result, own_error, plain, named, nothing, nothing_at_worst, unit, take),
)]
struct Daily;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert!(*Daily.run().await?.get::<take>());
    Ok(())
}
