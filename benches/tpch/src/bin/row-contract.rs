//! What the contract of rows costs on a scan: `row-contract <file> <rounds>`. The file is written first if it does not exist.
//!
//! Two queries over 10 million rows, each as Polars by hand and through a dataset, which checks that required columns hold no
//! nulls and that dates are in range. The variants take turns in one process, and their answers are compared.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use polars::prelude::*;
use setl::Row;
use setl::chrono::NaiveDate;
use setl::storage::Parquet;
use setl_tpch::measure;

const ROWS: i64 = 10_000_000;

#[derive(Row)]
struct Sale {
    id: i64,
    customer: i64,
    amount: f64,
    day: NaiveDate,
    discount: Option<f64>,
    returned: Option<NaiveDate>,
}

fn write(path: &Path) -> Result<()> {
    let id = Int64Chunked::from_iter_values("id".into(), 0..ROWS).into_series();
    let frame = DataFrame::new(ROWS as usize, vec![id.into()])?.lazy();
    let some =
        |every: i64, value: Expr| when((col("id") % lit(every)).eq(lit(0))).then(lit(NULL)).otherwise(value);
    let day = |within: i64| {
        (lit(9000_i64) + col("id") * lit(7) % lit(within)).cast(DataType::Int32).cast(DataType::Date)
    };
    let frame = frame.with_columns([
        (col("id") * lit(2_654_435_761_i64) % lit(100_003)).alias("customer"),
        ((col("id") * lit(31) % lit(10_007)).cast(DataType::Float64) / lit(4.0)).alias("amount"),
        day(2500).alias("day"),
        some(5, (col("id") % lit(8)).cast(DataType::Float64) / lit(8.0)).alias("discount"),
        some(3, day(900)).alias("returned"),
    ]);
    ParquetWriter::new(std::fs::File::create(path)?).finish(&mut frame.collect()?)?;
    Ok(())
}

/// Every column is read, and nothing else happens.
fn totals(frame: LazyFrame) -> LazyFrame {
    let max = ["id", "customer", "day", "returned"].map(|name| col(name).max());
    frame.select([&max[..], &["amount", "discount"].map(|name| col(name).sum())].concat())
}

/// Half of the rows, in groups.
fn by_customer(frame: LazyFrame) -> LazyFrame {
    let recent = frame.filter(col("day").gt(lit(10_250).cast(DataType::Date)));
    recent
        .group_by([col("customer")])
        .agg([col("amount").sum(), col("discount").count(), col("returned").max()])
        .sort(["customer"], Default::default())
}

/// Wall and CPU seconds.
fn timed(frame: impl FnOnce() -> Result<LazyFrame>) -> Result<(DataFrame, [f64; 2])> {
    let (cpu, began) = (measure::cpu_seconds()?, Instant::now());
    let answer = frame()?.collect_with_engine(Engine::Streaming)?.unwrap_single();
    let wall = began.elapsed().as_secs_f64();
    Ok((answer, [wall, measure::cpu_seconds()? - cpu]))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("which file?")?;
    let rounds: usize = arguments.next().context("how many rounds?")?.parse()?;
    let path = Path::new(&path);
    if !path.exists() {
        write(path)?;
    }
    let by_hand = || Ok(LazyFrame::scan_parquet(PlRefPath::try_from_path(path)?, Default::default())?);
    let checked = || Ok(Parquet::open::<Sale>(path)?.load()?.into_lazy());
    println!("| query | by hand, ms | setl, ms | setl / by hand | fastest | CPU |");
    println!("|---|---:|---:|---:|---:|---:|");
    let queries: [(&str, fn(LazyFrame) -> LazyFrame); 2] =
        [("totals of all columns", totals), ("groups of half of the rows", by_customer)];
    for (name, query) in queries {
        let (mut hand, mut setl) = (Vec::new(), Vec::new());
        // The first round warms the cache of the file.
        for round in 0..=rounds {
            let mut run = |of_setl: bool| -> Result<DataFrame> {
                let (answer, cost) = match of_setl {
                    true => timed(|| checked().map(query))?,
                    false => timed(|| by_hand().map(query))?,
                };
                if round > 0 {
                    if of_setl { &mut setl } else { &mut hand }.push(cost);
                }
                Ok(answer)
            };
            let first = round % 2 == 0;
            let answers = [run(first)?, run(!first)?];
            ensure!(answers[0].equals_missing(&answers[1]), "{name}: {answers:?}");
        }
        let all = |costs: &[[f64; 2]], at: usize| costs.iter().map(|cost| cost[at]).collect::<Vec<_>>();
        let ratios = hand.iter().zip(&setl).map(|(hand, setl)| setl[0] / hand[0]);
        let least = |costs: &[[f64; 2]]| all(costs, 0).into_iter().fold(f64::INFINITY, f64::min);
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
            1e3 * median(all(&hand, 0)),
            1e3 * median(all(&setl, 0)),
            median(ratios.collect()),
            least(&setl) / least(&hand),
            all(&setl, 1).iter().sum::<f64>() / all(&hand, 1).iter().sum::<f64>(),
        );
    }
    Ok(())
}
