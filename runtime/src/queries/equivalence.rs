#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

//! Random queries, run together in every way, give the same rows as each query on its own with the in-memory engine.
//!
//! Half of their steps observe the order of rows, or whole columns. Polars itself returns groups in another order each time. A
//! step that would observe that order comes after a sort on all columns, and results in such an order are sorted before they are
//! compared.
//!
//! The queries run in a separate process, in which batches of rows are small and even a few rows count as many.
//! `SETL_TEST_QUERIES` sets the number of queries (default: 5000), and `SETL_TEST_SEED` the number of the first one.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Duration;

use fastrand::Rng;
use polars::prelude::*;

use super::tests::run;
use crate::memory::Memory;
use crate::optimize::{Optimizer, Pass};
use setl_learn::advisor::Advisor;
use setl_learn::history::ChoiceRun;

/// The number of rows from which on an aggregate or a join is streamed in this process.
pub(super) static MANY_ROWS: OnceLock<f64> = OnceLock::new();

const COLUMNS: [&str; 6] = ["few", "many", "number", "text", "big", "id"];

/// A query with its properties.
#[derive(Clone)]
struct Made {
    frame: LazyFrame,
    /// The description of its steps.
    about: String,
    /// `true` if its rows come in another order each time.
    arbitrary: bool,
    /// `true` if the query contains ordered groups. Polars does not keep their order for operations that do not declare that they
    /// observe it, such as a join, or a sort that is not stable.
    grouped: bool,
    /// `true` if the query contains a join without a later sort. Polars treats its rows as unordered, and so the groups above it.
    joined: bool,
    /// The maximum number of rows.
    rows: usize,
}

fn table(rng: &mut Rng, rows: usize) -> LazyFrame {
    fn column<T>(rng: &mut Rng, rows: usize, none: u32, one: impl Fn(&mut Rng) -> T) -> Vec<Option<T>> {
        (0..rows).map(|_| (rng.u32(0..100) >= none).then(|| one(rng))).collect()
    }
    let width = rng.i64(3..8);
    let wide = 1 + rows as i64 / rng.i64(1..5);
    let overflows = rng.u8(0..8) == 0;
    df!(
        "few" => column(rng, rows, 10, |rng| rng.i64(0..width)),
        "many" => column(rng, rows, 5, |rng| rng.i64(0..wide)),
        "number" => column(rng, rows, 15, |rng| match rng.u8(0..12) {
            0 => f64::NAN,
            1 => -0.0,
            _ => rng.i64(-40..40) as f64 / 4.0,
        }),
        "text" => column(rng, rows, 10, |rng| format!("t{}", rng.u8(0..20))),
        "big" => column(rng, rows, 10, |rng| match (overflows, rng.u8(0..6)) {
            (true, 0) => i64::MAX - rng.i64(0..3),
            _ => rng.i64(-1000..1000),
        }),
        "id" => (0..rows as i64).collect::<Vec<_>>(),
    )
    .unwrap()
    .lazy()
}

fn sorted(frame: LazyFrame) -> LazyFrame {
    frame.sort(COLUMNS, SortMultipleOptions::default().with_maintain_order(true))
}

fn whole_column(name: &'static str) -> Expr {
    // Each value depends on all values before it.
    col(name).apply(
        |column| {
            let mut sum = 0_i64;
            let values = column.i64()?.iter().map(|value| {
                sum = sum.wrapping_mul(31).wrapping_add(value.unwrap_or(7)) % 1_000_003;
                Some(sum)
            });
            Ok(Int64Chunked::from_iter_options(column.name().clone(), values.collect::<Vec<_>>().into_iter())
                .into_column())
        },
        |_, field| Ok(field.clone()),
    )
}

fn aggregates(rng: &mut Rng, observes: bool) -> Vec<Expr> {
    let whole = |expr: Expr| expr.cast(DataType::Int64);
    let any = |rng: &mut Rng, name: &'static str| match rng.u8(0..7) {
        0 => whole(col(name).n_unique()),
        1 => whole(col(name).count()),
        2 => whole(len()),
        3 => whole(col(name).null_count()),
        4 => col(name).sum(),
        5 => col(name).max(),
        _ => col(name).min(),
    };
    let ordered = |rng: &mut Rng, name: &'static str| match rng.u8(0..8) {
        0 => col(name).first(),
        1 => col(name).last(),
        2 => whole(col(name).arg_max()),
        3 => col(name).head(Some(2)).sum(),
        4 => col(name).implode(true).list().first(),
        5 => col(name).sort_by([col("few")], stable()).first(),
        6 => (col(name) * col("id").cum_count(false).cast(DataType::Int64)).sum(),
        _ => col(name).shift(lit(1)).max(),
    };
    let one = |rng: &mut Rng, name| if observes { ordered(rng, name) } else { any(rng, name) };
    let number = match rng.u8(0..4) {
        0 => col("number").mean(),
        1 if observes => col("number").last(),
        2 => col("number").sum(),
        _ => col("number").median(),
    };
    let text = match (observes, rng.u8(0..3)) {
        (true, 0) => col("text").first(),
        (true, 1) => col("text").str().join("-", true),
        _ => col("text").max(),
    };
    vec![
        one(rng, "few").alias("few"),
        number.alias("number"),
        text.alias("text"),
        one(rng, "big").alias("big"),
        any(rng, "id").alias("id"),
    ]
}

/// Adds one step to `from`. `other` may be joined, or placed below it.
fn step(rng: &mut Rng, from: &Made, other: &Made) -> Made {
    let kind = match rng.u8(0..27) {
        // The first groups of a side of the join may be any of them.
        25 if other.grouped => 9,
        kind => kind,
    };
    // A step that observes the order of unordered rows cannot be compared.
    let observes = !matches!(kind, 0..=9);
    let (from, other) = match observes {
        true => (ordered(from), ordered(other)),
        false => (from.clone(), other.clone()),
    };
    let mut rows = from.rows;
    let mut arbitrary = from.arbitrary;
    let mut grouped = from.grouped || other.grouped;
    let mut joined = from.joined || other.joined;
    let mut about = format!("({})", from.about);
    let frame = from.frame.clone();
    let cumulate = |expr: Expr| frame.clone().with_columns([expr.alias("id")]);
    let ints = |expr: Expr| expr.cast(DataType::Int64);
    let made = match kind {
        0 => {
            let condition = match rng.u8(0..7) {
                0 => col("few").gt_eq(lit(rng.i64(0..4))),
                1 => col("number").gt(lit(rng.i64(-8..8) as f64 / 4.0)),
                2 => col("text")
                    .is_in(lit(Series::new("values".into(), ["t1", "t2", "t3", "t7"])).implode(false), false),
                3 => col("many").is_not_null().and(col("id").gt(lit(rng.i64(0..30)))),
                4 => col("number").is_nan().not(),
                5 => col("number").eq(col("number").max()),
                _ => col("big").lt(col("id")).or(col("few").eq(lit(2))),
            };
            write!(about, ".filter({condition})").unwrap();
            frame.filter(condition)
        }
        1 => frame.with_columns([
            (col("number") * lit(0.5) + lit(1.0)).alias("number"),
            when(col("few").is_null()).then(lit(-1_i64)).otherwise(col("few") + lit(1_i64)).alias("few"),
        ]),
        2 => {
            frame.with_columns([(col("id") - col("id").max()).alias("id"), col("few").fill_null(col("many"))])
        }
        3 | 4 => {
            arbitrary = true;
            let aggs = aggregates(rng, false);
            write!(about, ".group_by(many).agg({aggs:?})").unwrap();
            frame.group_by([col("many")]).agg(aggs)
        }
        5 | 6 => {
            let how = match rng.u8(0..6) {
                0 => JoinType::Semi,
                1 => JoinType::Anti,
                2 => JoinType::Inner,
                3 => JoinType::Full,
                _ => JoinType::Left,
            };
            arbitrary |= other.arbitrary && !matches!(how, JoinType::Semi | JoinType::Anti);
            // Each row finds one match, or none.
            let right = other.frame.clone().group_by([col("many")]).agg([col("big").max().alias("other")]);
            // Groups come in any order, and so do rows that are only on that side.
            arbitrary |= matches!(how, JoinType::Full | JoinType::Inner) || grouped;
            joined = true;
            let mut args = JoinArgs::new(how.clone()).with_coalesce(JoinCoalesce::CoalesceColumns);
            args.nulls_equal = rng.bool();
            write!(about, ".join({how}, aggregate of {}, {})", other.about, args.nulls_equal).unwrap();
            rows += other.rows;
            let joined = frame.join(right, [col("many")], [col("many")], args);
            match how {
                JoinType::Semi | JoinType::Anti => joined,
                _ => joined.with_columns([
                    (col("big") + col("other").fill_null(lit(0_i64)) % lit(7_i64)).alias("big")
                ]),
            }
        }
        7 => {
            arbitrary = true;
            let subset = COLUMNS.to_vec();
            frame.unique(
                Some(cols(subset)),
                if rng.bool() { UniqueKeepStrategy::Any } else { UniqueKeepStrategy::None },
            )
        }
        8 => {
            rows += other.rows;
            arbitrary |= other.arbitrary;
            write!(about, ".concat({})", other.about).unwrap();
            concat([frame, other.frame.clone()], UnionArgs::default()).unwrap()
        }
        9 => {
            (arbitrary, joined) = (false, false);
            sorted(frame)
        }
        10 => {
            let nulls_last = rng.bool();
            let options = SortMultipleOptions::default()
                .with_maintain_order(rng.bool() || grouped)
                .with_nulls_last(nulls_last)
                .with_order_descending(rng.bool());
            write!(about, ".sort({options:?})").unwrap();
            joined = false;
            frame.sort(["few", "text"], options)
        }
        11 => {
            let (offset, length) = (rng.i64(-30..30), rng.u32(0..60));
            write!(about, ".slice({offset}, {length})").unwrap();
            frame.slice(offset, length as IdxSize)
        }
        12 => frame
            .sort(["few"], SortMultipleOptions::default().with_maintain_order(grouped))
            .limit(rng.u32(1..40) as IdxSize),
        13 => {
            arbitrary = true;
            let aggs = aggregates(rng, true);
            write!(about, ".group_by(many).agg({aggs:?})").unwrap();
            frame.group_by([col("many")]).agg(aggs)
        }
        14 => {
            grouped = true;
            arbitrary |= joined;
            let aggs = aggregates(rng, true);
            write!(about, ".group_by_stable(many).agg({aggs:?})").unwrap();
            frame.group_by_stable([col("many")]).agg(aggs)
        }
        15 => frame
            .with_row_index("at", None)
            .with_columns([ints(col("at")).alias("id")])
            .select(COLUMNS.map(col)),
        16 => cumulate(col("big").fill_null(lit(0)).cum_sum(rng.bool())),
        17 => cumulate(col("id").shift(lit(rng.i64(-3..4)))),
        18 => cumulate(ints(col("id").diff(lit(1), Default::default()))),
        19 => cumulate(whole_column("id")),
        20 => {
            let over = match rng.u8(0..5) {
                0 => col("id").sum(),
                1 => ints(
                    col("number").rank(RankOptions { method: RankMethod::Ordinal, descending: false }, None),
                ),
                2 => col("id").shift(lit(1)),
                3 => col("id").cum_sum(false),
                _ => col("id").first(),
            };
            write!(about, ".with_columns({over}.over(few))").unwrap();
            cumulate(over.over([col("few")]).unwrap())
        }
        21 => {
            let keep = [UniqueKeepStrategy::First, UniqueKeepStrategy::Last][rng.usize(0..2)];
            let stable = rng.bool() || grouped;
            arbitrary |= joined;
            grouped |= stable;
            write!(about, ".unique(few text, {keep:?}, {stable})").unwrap();
            let subset = Some(cols(["few", "text"]));
            if stable {
                frame.unique_stable(subset, keep)
            } else {
                arbitrary = true;
                frame.unique(subset, keep)
            }
        }
        22 => frame.filter(col("text").is_first_distinct()),
        23 => frame.reverse(),
        24 => frame.with_columns([col("number").sort_by([col("few")], stable())]),
        25 => {
            // A join of many rows to many, on a few rows.
            let right = other.frame.clone().limit(12).select([col("few"), col("id").alias("other")]);
            let how = [JoinType::Left, JoinType::Inner, JoinType::Full][rng.usize(0..3)].clone();
            write!(about, ".join({how} few, {}.limit(12))", other.about).unwrap();
            rows *= 12;
            // Rows that are only on the right side come in any order.
            arbitrary |= grouped || how == JoinType::Full;
            joined = true;
            let mut args = JoinArgs::new(how).with_coalesce(JoinCoalesce::CoalesceColumns);
            args.nulls_equal = rng.bool();
            let joined = frame.join(right, [col("few")], [col("few")], args);
            joined.with_columns([(col("id") * lit(3) + col("other").fill_null(lit(1))).alias("id")])
        }
        _ => frame.with_columns([when(col("id").cum_count(false).lt(lit(5_u32)))
            .then(col("few").max())
            .otherwise(col("few"))
            .alias("few")]),
    };
    write!(about, " [{kind}]").unwrap();
    Made {
        frame: made.select(COLUMNS.map(col)),
        about,
        arbitrary,
        grouped: grouped || arbitrary,
        joined,
        rows,
    }
}

/// A sort that is not stable does not promise the order of equal rows.
fn stable() -> SortMultipleOptions {
    SortMultipleOptions::default().with_maintain_order(true)
}

fn ordered(made: &Made) -> Made {
    match made.arbitrary {
        true => Made { frame: sorted(made.frame.clone()), arbitrary: false, joined: false, ..made.clone() },
        false => made.clone(),
    }
}

/// The result of a query on its own, or `None` if it fails.
fn by_itself(made: &Made) -> Option<DataFrame> {
    let run = || made.frame.clone().collect_with_engine(Engine::InMemory);
    let answer = catch_unwind(AssertUnwindSafe(run)).ok()?.ok()?.unwrap_single();
    Some(comparable(made, answer))
}

fn comparable(made: &Made, answer: DataFrame) -> DataFrame {
    match made.arbitrary {
        true => answer.sort(COLUMNS, SortMultipleOptions::default()).unwrap(),
        false => answer,
    }
}

pub(super) fn optimizer(rng: &mut Rng) -> (Optimizer, Vec<Pass>) {
    let chosen: Vec<Pass> = Pass::OF_QUERIES[1..].iter().copied().filter(|_| rng.u8(0..4) > 0).collect();
    let all = chosen.iter().fold(Optimizer::off(), |optimizer, pass| optimizer.with(*pass));
    (all, chosen)
}

/// Compares two results, except for the last digits of floating-point numbers: these depend on the order of addition, which is
/// not promised.
fn is_same(found: &DataFrame, expected: &DataFrame) -> bool {
    if found.equals_missing(expected) {
        return true;
    }
    let are_close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
        (Some(found), Some(expected)) => {
            found == expected
                || (found.is_nan() && expected.is_nan())
                || (found - expected).abs() <= 1e-12 * found.abs().max(expected.abs()).max(1.0)
        }
        (found, expected) => found.is_none() && expected.is_none(),
    };
    found.schema() == expected.schema()
        && found.height() == expected.height()
        && found.columns().iter().zip(expected.columns()).all(|(found, expected)| {
            match (found.f64(), expected.f64()) {
                (Ok(found), Ok(expected)) => {
                    found.iter().zip(expected.iter()).all(|(found, expected)| are_close(found, expected))
                }
                _ => found.equals_missing(expected),
            }
        })
}

#[derive(Default)]
struct Counts {
    queries: usize,
    /// The number of queries that fail on their own.
    failed: usize,
    /// The number of queries whose own result varies.
    varying: usize,
}

/// `true` if the query gives another result on its own when it is run again.
fn varies(made: &Made, expected: Option<&DataFrame>) -> bool {
    (0..10).any(|_| match (by_itself(made), expected) {
        (Some(again), Some(expected)) => !again.equals_missing(expected),
        (again, expected) => again.is_some() != expected.is_some(),
    })
}

/// Runs one batch of queries in two ways.
fn batch(seed: u64, directory: &std::path::Path, counts: &mut Counts) {
    let rng = &mut Rng::with_seed(seed);
    let rows = match rng.u8(0..12) {
        0 => 0,
        1 => rng.usize(1..4),
        2 => rng.usize(2000..4000),
        _ => rng.usize(4..250),
    };
    let mut all: Vec<Made> = (0..2)
        .map(|at| {
            let about = format!("table {at} of {rows} rows");
            let frame = table(rng, rows);
            let frame = match rng.u8(0..4) {
                0 => {
                    let path = directory.join(format!("{seed}-{at}.parquet"));
                    let mut rows = frame.collect().unwrap();
                    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut rows).unwrap();
                    LazyFrame::scan_parquet(PlRefPath::try_from_path(&path).unwrap(), Default::default())
                        .unwrap()
                }
                _ => frame,
            };
            Made { frame, about, arbitrary: false, grouped: false, joined: false, rows }
        })
        .collect();
    while all.len() < 2 + 9 {
        let from = if rng.u8(0..3) == 0 { rng.usize(0..all.len()) } else { all.len() - 1 };
        let other = rng.usize(0..all.len());
        let made = step(rng, &all[from], &all[other]);
        if made.rows < 30_000 {
            all.push(made);
        }
    }
    let queries: Vec<Made> = (0..rng.usize(2..6)).map(|_| all[rng.usize(2..all.len())].clone()).collect();
    let expected: Vec<_> = queries.iter().map(by_itself).collect();
    for way in 0..2 {
        let (optimizer, passes) = if way == 0 { (Optimizer::new(), Vec::new()) } else { optimizer(rng) };
        let named: Vec<_> = (0..queries.len()).map(|at| format!("f{at}")).collect();
        let named =
            || named.iter().map(String::as_str).zip(queries.iter().map(|made| made.frame.clone())).collect();
        let memory = (way == 1 && rng.bool()).then(|| Memory::new(0, Some(directory)));
        let mut past: Vec<ChoiceRun> = Vec::new();
        let learns = memory.is_none() && rng.u8(0..4) == 0;
        for _ in 0..if learns { 3 } else { 1 } {
            let mut advisor = Advisor::of(past.clone());
            advisor.pretended = Some(|way| Duration::from_millis(if way == "streaming" { 3 } else { 9 }));
            let (answers, explained) = run(&optimizer, learns.then_some(&advisor), named(), memory.as_ref());
            past.extend(advisor.made().into_iter().map(|record| ChoiceRun {
                run_id: String::new(),
                started: std::time::SystemTime::UNIX_EPOCH,
                record,
            }));
            for ((answer, expected), made) in answers.into_iter().zip(&expected).zip(&queries) {
                let found = answer.ok().map(|answer| comparable(made, answer));
                let is_same = match (&found, expected) {
                    (Some(found), Some(expected)) => is_same(found, expected),
                    (None, None) => true,
                    _ => false,
                };
                let limited = memory.is_some();
                if !is_same && varies(made, expected.as_ref()) {
                    counts.varying += 1;
                    continue;
                }
                assert!(
                    is_same,
                    "seed {seed}, passes {passes:?}, memory limit {limited}, learns {learns}\n{explained}\n{}\n\
                     found {found:?}\nby itself {expected:?}\n{}",
                    made.about,
                    made.frame.describe_plan().unwrap_or_default(),
                );
            }
        }
    }
    counts.queries += queries.len();
    counts.failed += expected.iter().filter(|expected| expected.is_none()).count();
}

const CHILD: &str = "SETL_TEST_EQUIVALENCE";

pub(super) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The test below runs this in a separate process.
#[test]
fn generated() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    MANY_ROWS.set(20.0).unwrap();
    // Panics in Polars are expected for queries that overflow. All other panics are printed.
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("polars")) {
            others(panic);
        }
    }));
    let directory = tempfile::tempdir().unwrap();
    let (wanted, mut seed) = (number("SETL_TEST_QUERIES", 5000) as usize, number("SETL_TEST_SEED", 0));
    let mut counts = Counts::default();
    while counts.queries < wanted {
        batch(seed, directory.path(), &mut counts);
        seed += 1;
    }
    let Counts { queries, failed, varying } = counts;
    println!("compared {queries} queries; {failed} fail by themselves, {varying} give one thing and another");
    // Most queries must have a fixed result, so that there is something to compare.
    assert!(failed * 5 < queries && varying * 100 < queries);
}

#[test]
fn random_queries_give_what_each_gives_by_itself() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "queries::equivalence::generated", "--nocapture"])
        .env(CHILD, "1")
        .env("POLARS_MAX_THREADS", "4")
        .env("POLARS_IDEAL_MORSEL_SIZE", "64")
        .env("RUST_BACKTRACE", "0");
    let output = command.output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last = &errors[errors.floor_char_boundary(errors.len().saturating_sub(20_000))..];
    assert!(output.status.success() && told.contains("compared "), "{told}\n{last}");
    println!("{}", told.lines().find(|line| line.starts_with("compared")).unwrap());
}
