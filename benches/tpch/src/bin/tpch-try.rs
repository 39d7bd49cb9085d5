//! One way to run the queries, in a process of its own:
//! `tpch-try <tables> <answers> <mem|stream> <each|all|all-nocse> <what is shared>`.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use polars::lazy::frame::OptFlags;
use polars::prelude::*;
use polars_plan::plans::{HintIR, Sorted};
use setl_tpch::by_hand::QUERIES;
use setl_tpch::reads::{self, Reads};
use setl_tpch::tables::{NAMES, Tables};
use setl_tpch::{answers, measure, shared as lookups};

fn collect(frame: LazyFrame, engine: Engine) -> PolarsResult<DataFrame> {
    // As the eager API does it: one operation after another, as they are written.
    let frame = if std::env::var_os("NOOPT").is_some() { frame.without_optimizations() } else { frame };
    Ok(frame.collect_with_engine(engine)?.unwrap_single())
}

/// Marks the integer columns whose values ascend, so that the engines need not hash them.
fn mark_sorted(mut frame: DataFrame) -> PolarsResult<DataFrame> {
    if std::env::var_os("SORTED").is_none() {
        return Ok(frame);
    }
    for name in frame.get_column_names_owned() {
        let column = frame.column(&name)?;
        if column.dtype() != &DataType::Int64 || column.null_count() > 0 {
            continue;
        }
        let mut last = i64::MIN;
        let ascends = column.i64()?.downcast_iter().all(|chunk| {
            chunk.values().iter().all(|value| std::mem::replace(&mut last, *value) <= *value)
        });
        if ascends {
            let mut column = column.clone();
            column.set_sorted_flag(polars::series::IsSorted::Ascending);
            frame.with_column(column)?;
        }
    }
    Ok(frame)
}

fn hinted(scan: LazyFrame, name: &str) -> PolarsResult<LazyFrame> {
    let column = match name {
        "lineitem" => "l_orderkey",
        "orders" => "o_orderkey",
        "partsupp" => "ps_partkey",
        "part" => "p_partkey",
        "customer" => "c_custkey",
        "supplier" => "s_suppkey",
        _ => return Ok(scan),
    };
    let sorted = Sorted { column: column.into(), descending: Some(false), nulls_last: Some(false) };
    scan.hint(HintIR::Sorted([sorted].into()))
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
    let hint = std::env::var_os("HINT").is_some();
    let streamers = std::env::var("STREAMERS").ok();
    let mut tables = Tables::of(|name| {
        let scan = scans.get(name).clone();
        let scan = match shared.as_str() {
            "none" if hint => return hinted(scan, name),
            "none" => return Ok(scan),
            // Without the columns that only few queries read, and the strings of the lines, which are large.
            "slim" if !["lineitem", "orders"].contains(&name) => return Ok(scan),
            "slim" => {
                let slim: Vec<Expr> = match name {
                    "lineitem" => ["l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount",
                        "l_shipdate", "l_commitdate", "l_receiptdate"].map(col).to_vec(),
                    _ => ["o_orderkey", "o_custkey", "o_orderdate", "o_orderstatus", "o_totalprice", "o_shippriority", "o_orderpriority"].map(col).to_vec(),
                };
                scan.select(slim)
            }
            "eager" => scan,
            "lineitem" if name != "lineitem" => return Ok(scan),
            "two" if name != "lineitem" && name != "orders" => return Ok(scan),
            "lineitem" | "two" | "columns" | "dropped" => match all_needs.get(name) {
                Some(columns) => scan.select(pick(columns)),
                None => return Ok(scan),
            },
            other => panic!("what is {other}?"),
        };
        Ok(mark_sorted(collect(scan, engine)?)?.lazy())
    })?;
    steps.push(("scans".to_owned(), scanned.elapsed()));

    let begun = Instant::now();
    let by_order = match std::env::var("BY_ORDER").as_deref() {
        Ok("collected") => Some(mark_sorted(collect(lookups::by_order(&tables), Engine::Streaming)?)?.lazy()),
        Ok(_) => Some(lookups::by_order(&tables)),
        Err(_) => None,
    };
    steps.push(("by_order".to_owned(), begun.elapsed()));
    let make = |name: &str, query: setl_tpch::by_hand::Query, tables: &Tables| {
        // What is shared of the lines, they scan for themselves: the strings.
        let whole;
        let tables = if shared == "slim" && ["q01", "q10", "q12", "q13", "q19"].contains(&name) {
            let mut own = tables.clone();
            own.lineitem = scans.lineitem.clone();
            if name == "q13" {
                own.orders = scans.orders.clone();
            }
            whole = own;
            &whole
        } else {
            tables
        };
        match (name, &by_order) {
            ("q04", Some(by_order)) => Ok(lookups::q04(tables, by_order)),
            ("q18", Some(by_order)) => Ok(lookups::q18(tables, by_order)),
            ("q21", Some(by_order)) => Ok(lookups::q21(tables, by_order)),
            _ => query(tables),
        }
    };
    let engine_of = |name: &str| match &streamers {
        Some(streamers) if streamers.contains(name) => Engine::Streaming,
        Some(_) => Engine::InMemory,
        None => engine,
    };
    let results = match mode.as_str() {
        "each" => {
            let mut results = Vec::new();
            for (index, (name, query)) in queries.iter().enumerate() {
                let begun = Instant::now();
                results.push(collect(make(name, *query, &tables)?, engine_of(name))?);
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
        // Two queries at a time, the long ones first.
        "pair" => {
            let mut order: Vec<usize> = (0..queries.len()).collect();
            let long = ["q01", "q21", "q18", "q09", "q20", "q13"];
            order.sort_by_key(|&index| long.iter().position(|name| *name == queries[index].0).unwrap_or(usize::MAX));
            let next = std::sync::atomic::AtomicUsize::new(0);
            let done = std::sync::Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        loop {
                            let turn = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            let Some(&index) = order.get(turn) else { break };
                            let (name, query) = queries[index];
                            let result = make(name, query, &tables).and_then(|plan| collect(plan, engine_of(name)));
                            done.lock().expect("no panic").push((index, result));
                        }
                    });
                }
            });
            let mut done = done.into_inner().expect("no panic");
            done.sort_by_key(|(index, _)| *index);
            done.into_iter().map(|(_, result)| result).collect::<PolarsResult<Vec<_>>>()?
        }
        "all" | "all-nocse" => {
            let plans =
                queries.iter().map(|(name, query)| make(name, *query, &tables)).collect::<PolarsResult<Vec<_>>>()?;
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
