//! What large pipelines cost that are put together at run time: each figure is to grow with the number of factories, and not
//! with its square.

use std::hint::black_box;
use std::time::Instant;

use setl::plan::dynamic::Builder;
use setl::prelude::*;
use setl_benches::stats::{median, table};

/// How often each is timed.
const ROUNDS: usize = 3;

#[factory]
async fn step(number: u64) -> u64 {
    number + 1
}

#[factory]
async fn fails(number: u64) -> Result<u64> {
    Err(setl::Error::msg(number))
}

#[factory]
async fn needs(number: u64) -> u64 {
    number
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("there is a runtime");
    let mut rows = Vec::new();
    for factories in [10_000, 40_000, 100_000] {
        let chain = seconds(|| (), |()| chain(factories).build().expect("it is wired"), drop);
        let unknown = seconds(
            || (),
            |()| unknown(factories).build().expect_err("names are unknown"),
            |error| assert_eq!(error.mistakes.len(), factories),
        );
        let text = seconds(
            || {
                let run = failing(factories).build().expect("it is wired").run().keep_going();
                runtime.block_on(run.into_future()).expect_err("factories fail")
            },
            |error| (error.to_string(), error.full(), error.line()),
            |(_, full, _)| assert!(full.contains("not run because of")),
        );
        let ns = |seconds: f64| format!("{:.0}", 1e9 * seconds / factories as f64);
        rows.push(vec![factories.to_string(), ns(chain), ns(unknown), ns(text)]);
    }
    let header = ["factories", "a chain, built", "names that are unknown", "the texts of as many failures"];
    println!("In ns for each factory:\n\n{}", table(&header, &rows));
}

/// The median time of `timed`, on what `make` gives; `check` looks at what it gives.
fn seconds<M, T>(make: impl Fn() -> M, timed: impl Fn(M) -> T, check: impl Fn(T)) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let made = make();
        let began = Instant::now();
        let done = black_box(timed(made));
        let took = began.elapsed().as_secs_f64();
        check(done);
        took
    });
    median(times.collect())
}

/// Each takes what the one before delivers.
fn chain(factories: usize) -> Builder {
    let chain = Pipeline::builder("chain").input("0", 0u64).stage("steps");
    (1..=factories).fold(chain, |chain, index| {
        chain
            .factory_named::<step>(index.to_string(), |wiring| wiring.take("number", (index - 1).to_string()))
    })
}

fn unknown(factories: usize) -> Builder {
    let unknown = Pipeline::builder("unknown").input("0", 0u64).stage("steps");
    (1..=factories).fold(unknown, |unknown, index| {
        unknown.factory_named::<step>(index.to_string(), |wiring| wiring.take("number", format!("{index}x")))
    })
}

/// Each fails, and another needs it.
fn failing(factories: usize) -> Builder {
    let failing = Pipeline::builder("failing").input("0", 0u64).stage("steps");
    (0..factories).fold(failing, |failing, index| {
        let failing =
            failing.factory_named::<fails>(format!("f{index}"), |wiring| wiring.take("number", "0"));
        failing
            .factory_named::<needs>(format!("n{index}"), |wiring| wiring.take("number", format!("f{index}")))
    })
}
