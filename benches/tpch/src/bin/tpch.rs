//! One variant in a process of its own: `tpch <tables> <answers, or -> <variant> [query]`. `EXPLAIN=1` prints what was decided.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use polars::prelude::*;
use setl::optimize::{Optimizer, Pass};
use setl::{Report, Run};
use setl_tpch::by_hand::{QUERIES, Query};
use setl_tpch::pipeline::{self, Deliver, Directory, Single, Tpch};
use setl_tpch::tables::Tables;
use setl_tpch::{answers, measure};

type Answers = Vec<(&'static str, DataFrame)>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tables, expected, variant, query @ ..] = &arguments[..] else { bail!("tables, answers, variant") };
    let tables = Path::new(tables);
    let named: Vec<_> =
        QUERIES.into_iter().filter(|(name, _)| query.first().is_none_or(|query| query == name)).collect();

    if variant == "setl-passes" {
        return every_combination(tables, Path::new(expected)).await;
    }
    let cpu = measure::cpu_seconds()?;
    let started = Instant::now();
    let found = match &**variant {
        "by-hand" | "single-by-hand" => by_hand(tables, &named, Engine::Auto)?,
        "by-hand-streaming" | "single-by-hand-streaming" => by_hand(tables, &named, Engine::Streaming)?,
        "setl" => all(tables, Deliver::Lazily, Optimizer::new()).await?,
        "setl-off" => all(tables, Deliver::Lazily, Optimizer::off()).await?,
        "setl-limited" => {
            let directory = std::env::temp_dir().join(format!("setl-tpch-{}", std::process::id()));
            let limited = limited(tables, &directory).await;
            std::fs::remove_dir_all(&directory)?;
            limited?
        }
        "setl-eager" => all(tables, Deliver::Eagerly, Optimizer::off()).await?,
        "single" => single(tables, *named.first().context("which query?")?).await?,
        other => bail!("no variant {other}"),
    };
    let wall = started.elapsed().as_secs_f64();
    let cpu = measure::cpu_seconds()? - cpu;
    println!("{{\"wall\":{wall:.4},\"cpu\":{cpu:.2},\"peak\":{:.0}}}", measure::peak_mib()?);
    if expected != "-" {
        check(&found, Path::new(expected))?;
    }
    Ok(())
}

fn check(found: &Answers, expected: &Path) -> Result<()> {
    found.iter().try_for_each(|(name, found)| answers::compare(name, found, &answers::read(expected, name)?))
}

/// Whether the answers are the same whichever passes are on.
async fn every_combination(tables: &Path, expected: &Path) -> Result<()> {
    let combinations = 1_u32 << Pass::ALL.len();
    for combination in 0..combinations {
        let on = (0..).zip(Pass::ALL).filter(|(bit, _)| combination & (1 << bit) != 0);
        let on: Vec<Pass> = on.map(|(_, pass)| pass).collect();
        let optimizer = on.iter().fold(Optimizer::off(), |optimizer, pass| optimizer.with(*pass));
        let found = all(tables, Deliver::Lazily, optimizer).await;
        found.and_then(|found| check(&found, expected)).with_context(|| format!("with {on:?}"))?;
    }
    println!("{combinations} combinations of passes give the answers of DuckDB");
    Ok(())
}

/// One after another, as a script does.
fn by_hand(directory: &Path, queries: &[(&'static str, Query)], engine: Engine) -> Result<Answers> {
    let tables = Tables::scan(directory)?;
    let answer = |(name, query): &(&'static str, Query)| {
        let begun = Instant::now();
        let found = query(&tables)?.collect_with_engine(engine)?.unwrap_single();
        if std::env::var_os("EXPLAIN").is_some() {
            eprintln!("{name}: {:.1} ms", 1e3 * begun.elapsed().as_secs_f64());
        }
        Ok((*name, found))
    };
    queries.iter().map(answer).collect()
}

async fn all(directory: &Path, deliver: Deliver, optimizer: Optimizer) -> Result<Answers> {
    let run = Tpch::new(directory, deliver).run().optimizer(optimizer).await?;
    explain(run.report());
    Ok(answers_of(&run))
}

/// As `setl-eager`, within `LIMIT` MiB.
async fn limited(directory: &Path, state: &Path) -> Result<Answers> {
    let limit: u64 = std::env::var("LIMIT").context("LIMIT is to be a number of MiB")?.parse()?;
    let pipeline = Tpch::new(directory, Deliver::Eagerly);
    let run = pipeline.run().memory_limit(limit << 20).state_dir(state).await?;
    explain(run.report());
    if let Some(memory) = run.report().memory() {
        eprintln!("{} MiB at most, {} MiB in temporary files", memory.peak >> 20, memory.spilled >> 20);
    }
    Ok(answers_of(&run))
}

fn answers_of(run: &Run<Tpch>) -> Answers {
    macro_rules! answers {
        ($($query:ident)*) => { vec![$((stringify!($query), run.get::<pipeline::$query>().clone())),*] };
    }
    answers! { q01 q02 q03 q04 q05 q06 q07 q08 q09 q10 q11 q12 q13 q14 q15 q16 q17 q18 q19 q20 q21 q22 }
}

async fn single(directory: &Path, (name, query): (&'static str, Query)) -> Result<Answers> {
    let pipeline =
        Single { directory: of(directory), deliver: Deliver::Lazily, query: pipeline::ByHand(query) };
    let run = pipeline.run().await?;
    explain(run.report());
    Ok(vec![(name, run.get::<pipeline::single>().clone())])
}

fn of(directory: &Path) -> Directory {
    Directory(Arc::new(directory.to_owned()))
}

fn explain(report: &Report) {
    if std::env::var_os("EXPLAIN").is_some() {
        report.queries().iter().for_each(|batch| eprintln!("{batch}"));
    }
}
