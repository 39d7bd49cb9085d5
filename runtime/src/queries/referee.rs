//! Random queries that SQL can express, run together, give the same rows as DuckDB.
//!
//! `SETL_TEST_PYTHON` is a Python that has DuckDB. Default: `python3`. Without DuckDB, the test is skipped with a message, unless
//! `SETL_TEST_REFEREE` is `required`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use polars::prelude::*;

use super::equivalence::{number, optimizer};
use super::tests::run;
use crate::memory::Memory;

const COLUMNS: [&str; 6] = ["few", "many", "number", "text", "big", "id"];

/// A query in both languages.
#[derive(Clone)]
struct Said {
    frame: LazyFrame,
    sql: String,
    rows: usize,
}

fn table(rng: &mut Rng, rows: usize, path: &Path) -> Said {
    fn column<T>(rng: &mut Rng, rows: usize, none: u32, one: impl Fn(&mut Rng) -> T) -> Vec<Option<T>> {
        (0..rows).map(|_| (rng.u32(0..100) >= none).then(|| one(rng))).collect()
    }
    let wide = 1 + rows as i64 / 3;
    let mut frame = df!(
        "few" => column(rng, rows, 10, |rng| rng.i64(0..6)),
        "many" => column(rng, rows, 8, |rng| rng.i64(0..wide)),
        "number" => column(rng, rows, 15, |rng| rng.i64(-40..40) as f64 / 4.0),
        "text" => column(rng, rows, 10, |rng| format!("t{}", rng.u8(0..20))),
        "big" => column(rng, rows, 10, |rng| rng.i64(-1000..1000)),
        "id" => (0..rows as i64).collect::<Vec<_>>(),
    )
    .unwrap();
    ParquetWriter::new(std::fs::File::create(path).unwrap()).finish(&mut frame).unwrap();
    let sql = format!("SELECT few, many, number, text, big, id FROM read_parquet('{}')", path.display());
    let scan =
        || LazyFrame::scan_parquet(PlRefPath::try_from_path(path).unwrap(), Default::default()).unwrap();
    Said { frame: if rng.bool() { scan() } else { frame.lazy() }, sql, rows }
}

fn step(rng: &mut Rng, from: &Said, other: &Said) -> Said {
    let Said { frame, sql, rows } = from.clone();
    let equal = |left: &str, right: &str| format!("l.{left} = r.{right}");
    let (frame, sql, rows) = match rng.u8(0..13) {
        0 => {
            let least = rng.i64(0..5);
            (
                frame.filter(col("few").gt_eq(lit(least))),
                format!("SELECT * FROM ({sql}) WHERE few >= {least}"),
                rows,
            )
        }
        1 => {
            let least = rng.i64(-20..20) as f64 / 4.0;
            let condition = col("number").gt(lit(least)).or(col("text").eq(lit("t3")));
            (
                frame.filter(condition),
                format!("SELECT * FROM ({sql}) WHERE number > {least} OR text = 't3'"),
                rows,
            )
        }
        2 => (
            frame.with_columns([
                (col("number") * lit(0.5) + lit(1.0)).alias("number"),
                col("few").fill_null(col("many")).alias("few"),
            ]),
            format!(
                "SELECT coalesce(few, many) few, many, number * 0.5 + 1.0 AS number, text, big, id FROM ({sql})"
            ),
            rows,
        ),
        3 | 4 => (
            frame.group_by([col("many")]).agg([
                col("few").max(),
                col("number").sum(),
                col("text").min(),
                col("big").sum(),
                len().cast(DataType::Int64).alias("id"),
            ]),
            format!(
                "SELECT max(few) few, many, coalesce(sum(number), 0.0) AS number, min(text) AS text, \
                 coalesce(sum(big), 0)::BIGINT big, count(*) id FROM ({sql}) GROUP BY many"
            ),
            rows,
        ),
        5 => (
            frame.group_by([col("few"), col("text")]).agg([
                col("many").count().cast(DataType::Int64),
                col("number").mean(),
                col("big").min(),
                col("id").max(),
            ]),
            format!(
                "SELECT few, count(many) many, avg(number) AS number, text, min(big) big, max(id) id FROM ({sql}) \
                 GROUP BY few, text"
            ),
            rows,
        ),
        6 | 7 => {
            let (how, join) =
                [(JoinType::Inner, "JOIN"), (JoinType::Left, "LEFT JOIN"), (JoinType::Full, "FULL JOIN")]
                    [rng.usize(0..3)]
                .clone();
            // A join of many rows to many, by keys of which some are null.
            let right = other.frame.clone().select([col("many"), col("big").alias("other")]);
            let args = JoinArgs::new(how).with_coalesce(JoinCoalesce::CoalesceColumns);
            let joined = frame.join(right, [col("many")], [col("many")], args);
            let on = equal("many", "many");
            (
                joined.with_columns([col("big") + col("other").fill_null(lit(0_i64))]),
                format!(
                    "SELECT l.few, coalesce(l.many, r.many) many, l.number, l.text, l.big + coalesce(r.big, 0) big, l.id \
                     FROM ({sql}) l {join} ({}) r ON {on}",
                    other.sql
                ),
                (rows + other.rows) * 3,
            )
        }
        8 => {
            let (how, not) = if rng.bool() { (JoinType::Semi, "") } else { (JoinType::Anti, "NOT") };
            let on = equal("many", "id");
            (
                frame.join(other.frame.clone(), [col("many")], [col("id")], JoinArgs::new(how)),
                format!(
                    "SELECT * FROM ({sql}) l WHERE {not} EXISTS (SELECT 1 FROM ({}) r WHERE {on})",
                    other.sql
                ),
                rows,
            )
        }
        9 => (frame.unique(None, UniqueKeepStrategy::Any), format!("SELECT DISTINCT * FROM ({sql})"), rows),
        10 => (
            concat([frame, other.frame.clone()], UnionArgs::default()).unwrap(),
            format!("({sql}) UNION ALL ({})", other.sql),
            rows + other.rows,
        ),
        11 => (
            frame.with_columns([
                col("id").sum().over([col("few")]).unwrap(),
                col("number").max().over([col("few")]).unwrap(),
            ]),
            format!(
                "SELECT few, many, max(number) OVER (PARTITION BY few) AS number, text, big, \
                 coalesce(sum(id) OVER (PARTITION BY few), 0)::BIGINT id FROM ({sql})"
            ),
            rows,
        ),
        _ => {
            let length = rng.u32(1..50);
            let options = SortMultipleOptions::default().with_nulls_last(true);
            (
                frame.sort(COLUMNS, options).limit(length as IdxSize),
                format!(
                    "SELECT * FROM (SELECT * FROM ({sql}) ORDER BY few NULLS LAST, many NULLS LAST, number NULLS LAST, \
                     text NULLS LAST, big NULLS LAST, id NULLS LAST LIMIT {length})"
                ),
                rows,
            )
        }
    };
    Said { frame: frame.select(COLUMNS.map(col)), sql, rows }
}

/// A Python that has DuckDB.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("SETL_TEST_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| PathBuf::from("python3"));
    let found = Command::new(&python).args(["-c", "import duckdb"]).output();
    found.is_ok_and(|found| found.status.success()).then_some(python)
}

#[test]
fn random_queries_give_what_another_engine_gives() {
    let Some(python) = python() else {
        let required = std::env::var("SETL_TEST_REFEREE").is_ok_and(|value| value == "required");
        assert!(!required, "SETL_TEST_PYTHON names no Python that has DuckDB");
        eprintln!("SKIPPED: no Python with DuckDB, so no independent engine has looked at any answer");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let cases_at = directory.path().join("cases.jsonl");
    let mut cases = std::fs::File::create(&cases_at).unwrap();
    let (wanted, mut seed) = (number("SETL_TEST_REFEREE_QUERIES", 600), number("SETL_TEST_SEED", 0));
    let mut done = 0;
    while done < wanted {
        let rng = &mut Rng::with_seed(seed);
        let rows = [0, 30, 100, 200, 2500][rng.usize(0..5)];
        let mut all: Vec<Said> = (0..2)
            .map(|at| table(rng, rows, &directory.path().join(format!("{seed}-{at}.parquet"))))
            .collect();
        while all.len() < 8 {
            let (from, other) = (rng.usize(0..all.len()), rng.usize(0..all.len()));
            let made = step(rng, &all[from], &all[other]);
            if made.rows < 40_000 && made.sql.len() < 20_000 {
                all.push(made);
            }
        }
        let queries: Vec<Said> = (0..4).map(|_| all[rng.usize(2..all.len())].clone()).collect();
        let names = ["a", "b", "c", "d"];
        let named = names.into_iter().zip(queries.iter().map(|said| said.frame.clone())).collect();
        let memory = rng.bool().then(|| Memory::new(0, Some(directory.path())));
        let (answers, _) = run(&optimizer(rng).0, None, named, memory.as_ref());
        for (at, (answer, said)) in answers.into_iter().zip(queries).enumerate() {
            let path = directory.path().join(format!("{seed}-answer-{at}.parquet"));
            let mut answer = answer.unwrap_or_else(|fault| panic!("seed {seed}: {fault:?}\n{}", said.sql));
            ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut answer).unwrap();
            let case = serde_json::json!({ "seed": seed, "sql": said.sql, "answer": path });
            writeln!(cases, "{case}").unwrap();
            done += 1;
        }
        seed += 1;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/queries/referee.py");
    let output = Command::new(python).arg(script).arg(&cases_at).output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("agrees"), "{told}\n{errors}");
    println!("{told}");
}
