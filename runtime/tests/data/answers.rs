//! The answer of a query is the same, row by row, whoever runs it: collected or saved, in a run or outside of one.

use setl::optimize::Optimizer;
use setl::polars::prelude::*;
use setl::prelude::*;
use setl::storage::{Csv, Parquet};

use super::scratch::Scratch;

#[derive(Row, Clone, Debug, PartialEq)]
struct Joined {
    key: i64,
    value: i64,
    other: Option<i64>,
}

/// Rows that the engine that streams would give in another order.
fn query() -> LazyFrame {
    let frame = |rows: i64, step: i64| df!("key" => Vec::from_iter((0..rows).map(|row| row * step % 4001)), "value" => Vec::from_iter(0..rows));
    let right = frame(3000, 7).unwrap().lazy().select([col("key"), col("value").alias("other")]);
    frame(20_000, 7919).unwrap().lazy().join(right, [col("key")], [col("key")], JoinType::Left.into())
}

#[factory]
fn joined() -> Result<Dataset<Joined>> {
    Dataset::new(query())
}

#[factory(id = Shifted)]
fn shifted(joined: Dataset<Joined>) -> Result<Dataset<Joined>> {
    Dataset::new(joined.lazy().with_columns([col("other").shift(lit(1))]))
}

struct Shifted;
struct Saved;

#[factory(id = Saved)]
async fn saved(#[delivery(id = Shifted)] rows: Dataset<Joined>, saved: Repository<Joined>) -> Result<usize> {
    saved.save(&rows).await
}

#[factory]
async fn collected(#[delivery(id = Shifted)] rows: Dataset<Joined>) -> Result<DataFrame> {
    rows.collect().await
}

#[factory]
async fn materialized(#[delivery(id = Shifted)] rows: Dataset<Joined>) -> Result<LazyFrame> {
    Ok(rows.materialize().await?.into_lazy())
}

#[pipeline(extract(joined), transform(shifted), load(saved, collected, materialized))]
struct Answers {
    saved: Repository<Joined>,
}

fn by_hand(frame: LazyFrame) -> DataFrame {
    frame.collect_with_engine(Engine::InMemory).unwrap().unwrap_single()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_what_is_collected_and_what_the_query_gives_by_itself() {
    let expected = by_hand(query().with_columns([col("other").shift(lit(1))]));
    let scratch = Scratch::new();
    for (at, (optimizer, limit)) in [
        (Optimizer::new(), None),
        (Optimizer::off(), None),
        (Optimizer::new(), Some(64 << 30)),
        (Optimizer::off(), Some(64 << 30)),
    ]
    .into_iter()
    .enumerate()
    {
        let saved = Parquet::create(scratch.path(&format!("{at}.parquet"))).unwrap();
        let mut run =
            Answers { saved: saved.clone() }.run().optimizer(optimizer).state_dir(scratch.path("state"));
        if let Some(limit) = limit {
            run = run.memory_limit(limit);
        }
        let run = run.await.unwrap();
        assert!(run.get::<collected>().equals_missing(&expected), "collected, {at}");
        assert!(by_hand(run.get::<materialized>().clone()).equals_missing(&expected), "materialized, {at}");
        assert!(saved.load().unwrap().collect().await.unwrap().equals_missing(&expected), "saved, {at}");
    }
}

#[test]
fn outside_of_a_run_rows_are_saved_in_order_too() {
    let scratch = Scratch::new();
    let rows: Dataset<Joined> = Dataset::new(query()).unwrap();
    let places = [
        Csv::create(scratch.path("rows.csv")).unwrap(),
        Parquet::create(scratch.path("rows.parquet")).unwrap(),
    ];
    for place in places {
        place.save_blocking(&rows).unwrap();
        assert!(
            place.load().unwrap().collect_blocking().unwrap().equals_missing(&by_hand(query())),
            "{place:?}"
        );
    }
}
