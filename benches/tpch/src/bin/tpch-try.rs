//! One way to run the queries, in a process of its own:
//! `tpch-try <tables> <answers> <mem|stream> <each|all|all-nocse> <what is shared>`.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use polars::lazy::frame::OptFlags;
use polars::prelude::*;
use setl_tpch::by_hand::QUERIES;
use setl_tpch::reads::{self, Reads};
use setl_tpch::tables::{NAMES, Tables};
use setl_tpch::{answers, measure};

fn collect(frame: LazyFrame, engine: Engine) -> PolarsResult<DataFrame> {
    Ok(frame.collect_with_engine(engine)?.unwrap_single())
}

fn union(of: &[Reads]) -> Reads {
    let mut all = Reads::new();
    for reads in of {
        for (table, columns) in reads {
            all.entry(table.clone()).or_default().extend(columns.iter().cloned());
        }
    }
    all
}

fn pick(columns: &std::collections::BTreeSet<String>) -> Vec<Expr> {
    columns.iter().map(|name| col(name.as_str())).collect()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, expected, engine, mode, shared] = &arguments[..] else { bail!("five arguments") };
    let directory = Path::new(directory);
    let engine = match engine.as_str() {
        "mem" => Engine::InMemory,
        "stream" => Engine::Streaming,
        _ => bail!("mem or stream"),
    };
    let scans = Tables::scan(directory)?;
    let only = std::env::var("ONLY").ok();
    let queries: Vec<_> =
        QUERIES.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only.contains(name))).collect();

    let cpu = measure::cpu_seconds()?;
    let started = Instant::now();
    let mut steps = Vec::new();
    let plan = |tables: &Tables| queries.iter().map(|(_, query)| query(tables)).collect::<PolarsResult<Vec<_>>>();
    let needs: Vec<Reads> = plan(&scans)?.iter().map(reads::of).collect::<PolarsResult<_>>()?;
    let all_needs = union(&needs);
    steps.push(("reads".to_owned(), started.elapsed()));
    let scanned = Instant::now();
    let mut tables = Tables::of(|name| {
        let scan = scans.get(name).clone();
        let scan = match shared.as_str() {
            "none" => return Ok(scan),
            "eager" => scan,
            "lineitem" if name != "lineitem" => return Ok(scan),
            "two" if name != "lineitem" && name != "orders" => return Ok(scan),
            "lineitem" | "two" | "columns" | "dropped" => match all_needs.get(name) {
                Some(columns) => scan.select(pick(columns)),
                None => return Ok(scan),
            },
            other => panic!("what is {other}?"),
        };
        Ok(collect(scan, engine)?.lazy())
    })?;
    steps.push(("scans".to_owned(), scanned.elapsed()));

    let results = match mode.as_str() {
        "each" => {
            let mut results = Vec::new();
            for (index, (name, query)) in queries.iter().enumerate() {
                let begun = Instant::now();
                results.push(collect(query(&tables)?, engine)?);
                if shared == "dropped" {
                    let later = union(&needs[index + 1..]);
                    tables = Tables::of(|name| match later.get(name) {
                        Some(columns) => {
                            let frame = tables.get(name).clone().select(pick(columns));
                            Ok(frame.collect()?.lazy())
                        }
                        None => Ok(scans.get(name).clone()),
                    })?;
                }
                steps.push(((*name).to_owned(), begun.elapsed()));
            }
            results
        }
        "all" | "all-nocse" => {
            let plans = plan(&tables)?;
            let mut flags = plans[0].get_current_optimizations();
            flags.set(OptFlags::COMM_SUBPLAN_ELIM, mode == "all");
            if std::env::var_os("EXPLAIN").is_some() {
                if matches!(engine, Engine::Streaming) {
                    flags.set(OptFlags::STREAMING, true);
                }
                let plans = plans.iter().map(|frame| frame.logical_plan.clone()).collect();
                println!("{}", LazyFrame::explain_all(plans, flags)?);
                return Ok(());
            }
            LazyFrame::collect_all_with_engine(plans.into_iter().map(|frame| frame.logical_plan).collect(), engine, flags)?
        }
        _ => bail!("each, all or all-nocse"),
    };
    let wall = started.elapsed().as_secs_f64();
    let cpu = measure::cpu_seconds()? - cpu;
    let peak = measure::peak_mib()?;
    let steps: Vec<_> = steps.iter().map(|(name, time)| format!("\"{name}\":{:.0}", time.as_secs_f64() * 1e3)).collect();
    println!(
        "{{\"variant\":\"{} {mode} {shared}\",\"wall\":{wall:.3},\"cpu\":{cpu:.2},\"peak\":{peak:.0},\"steps\":{{{}}}}}",
        arguments[2],
        steps.join(",")
    );
    if expected != "-" {
        for ((name, _), found) in queries.iter().zip(&results) {
            let expected = answers::read(Path::new(expected), name)?;
            if let Err(wrong) = answers::compare(name, found, &expected) {
                println!("WRONG {wrong:#}");
            }
        }
    }
    let _ = NAMES;
    Ok(())
}
