//! The pipeline with the answers of its queries in the cache: `tpch-cache <tables> <answers, or -> [rounds]`.
//!
//! In each round, with an empty cache: all is computed; nothing is; what one query alone takes has changed; what a factory in
//! the middle takes has changed, which three queries take; and a file of the cache is corrupt, truncated or gone. That exactly
//! the queries run that have to is checked in every step, and so are the answers: against those of DuckDB, or where something
//! has changed against those of a run without a cache. Prints medians as Markdown.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use polars::prelude::DataFrame;
use setl::cache::CachePolicy;
use setl::run::{Run, Status};
use setl_tpch::answers;
use setl_tpch::pipeline::{self, Deliver, Late, Tpch};

macro_rules! all_queries {
    ($action:ident $run:expr) => {
        $action!($run; q01 q02 q03 q04 q05 q06 q07 q08 q09 q10 q11 q12 q13 q14 q15 q16 q17 q18 q19 q20 q21 q22)
    };
}

macro_rules! frames {
    ($run:expr; $($query:ident)*) => { vec![$((stringify!($query), $run.get::<pipeline::$query>().clone())),*] };
}

macro_rules! names {
    ($run:expr; $($query:ident)*) => { [$(stringify!($query)),*] };
}

type Answers = Vec<(&'static str, DataFrame)>;

struct Bench {
    tables: PathBuf,
    answers: Option<PathBuf>,
    state: PathBuf,
    discount: f64,
    late: i64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tables, expected, rounds @ ..] = &arguments[..] else { bail!("tables, answers") };
    let rounds: usize = rounds.first().map_or(Ok(5), |rounds| rounds.parse())?;
    let state = std::env::temp_dir().join(format!("setl-tpch-cache-{}", std::process::id()));
    let mut bench = Bench {
        tables: tables.into(),
        answers: (expected != "-").then(|| expected.into()),
        state,
        discount: 0.05,
        late: 0,
    };
    let mut steps: Vec<(&str, Vec<Duration>)> = Vec::new();
    for round in 0..=rounds {
        let found = bench.round().await;
        fs::remove_dir_all(&bench.state)?;
        for (at, (step, took)) in found?.into_iter().enumerate() {
            if steps.len() <= at {
                steps.push((step, Vec::new()));
            }
            // The first round warms the cache of the files.
            if round > 0 {
                steps[at].1.push(took);
            }
        }
    }
    println!("| run | wall, s |\n|---|---:|");
    for (step, mut took) in steps {
        took.sort();
        println!("| {step} | {:.2} |", took[took.len() / 2].as_secs_f64());
    }
    Ok(())
}

impl Bench {
    async fn round(&mut self) -> Result<Vec<(&'static str, Duration)>> {
        let all: Vec<&str> = all_queries!(names()).to_vec();
        let mut steps = Vec::new();
        let (run, took) = self.run(CachePolicy::off()).await?;
        steps.push(("without a cache", took));
        self.compare(&run)?;
        steps.push(("with an empty cache: all is computed", self.check(&all).await?));
        steps.push(("nothing has changed: nothing is computed", self.check(&[]).await?));
        self.discount = 0.04;
        steps.push(("another setting of q06: q06", self.check(&["q06"]).await?));
        self.late = 7;
        let below = ["q04", "q18", "q21"];
        steps.push(("another setting of `by_order`: q04, q18 and q21", self.check(&below).await?));
        (self.discount, self.late) = (0.05, 0);
        steps.push(("as at first: nothing is computed", self.check(&[]).await?));
        steps.push(("a file of q09 is corrupt: q09", self.damaged("q09", corrupt).await?));
        steps.push(("a file of q09 is truncated: q09", self.damaged("q09", truncate).await?));
        let gone = |file: &Path| fs::remove_file(file);
        steps.push(("a file of q09 is gone: q09", self.damaged("q09", gone).await?));
        Ok(steps)
    }

    async fn run(&self, policy: CachePolicy) -> Result<(Run<Tpch>, Duration)> {
        let mut pipeline = Tpch::new(&self.tables, Deliver::Lazily);
        pipeline.discounts.low = self.discount;
        pipeline.late = Late(self.late);
        // What is read to see whether it has changed counts, too: it is before the makespan.
        let began = Instant::now();
        let run = pipeline.run().cache(policy).state_dir(&self.state).await?;
        Ok((run, began.elapsed()))
    }

    /// A run in which of the queries exactly these are computed. Whoever stands above them is a query that has not been run.
    async fn check(&self, computed: &[&str]) -> Result<Duration> {
        let queries = all_queries!(names());
        let (run, took) = self.run(CachePolicy::only(queries)).await?;
        for query in queries {
            let entry = run.report().entry(query).with_context(|| format!("no {query}"))?;
            let expected = if computed.contains(&query) { Status::Succeeded } else { Status::Cached };
            ensure!(entry.status == expected, "{query} is {} and not {expected}\n{run}", entry.status);
        }
        self.compare(&run)?;
        if self.discount != 0.05 || self.late != 0 {
            let (plain, _) = self.run(CachePolicy::off()).await?;
            for ((query, found), (_, expected)) in of(&run).iter().zip(&of(&plain)) {
                answers::compare(query, found, expected)?;
            }
        }
        Ok(took)
    }

    /// Those that nothing has changed for.
    fn compare(&self, run: &Run<Tpch>) -> Result<()> {
        let Some(answers) = &self.answers else { return Ok(()) };
        for (query, found) in &of(run) {
            let changed = match *query {
                "q06" => self.discount != 0.05,
                "q04" | "q18" | "q21" => self.late != 0,
                _ => false,
            };
            if !changed {
                answers::compare(query, found, &answers::read(answers, query)?)?;
            }
        }
        Ok(())
    }

    async fn damaged(&self, query: &str, damage: impl Fn(&Path) -> std::io::Result<()>) -> Result<Duration> {
        let mut kept = setl::cache::list(&self.state)?.into_iter().filter(|entry| entry.factory == query);
        damage(&kept.next().context("it is kept")?.path.join("payload/frame.parquet"))?;
        self.check(&[query]).await
    }
}

fn of(run: &Run<Tpch>) -> Answers {
    all_queries!(frames run)
}

fn corrupt(file: &Path) -> std::io::Result<()> {
    let mut bytes = fs::read(file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes)
}

fn truncate(file: &Path) -> std::io::Result<()> {
    let half = fs::metadata(file)?.len() / 2;
    File::options().write(true).open(file)?.set_len(half)
}
