use setl::prelude::*;

#[derive(Clone)]
struct TestResult<T>(T);

#[factory]
fn read_orders() -> TestResult<u32> {
    TestResult(1)
}

fn main() {}
