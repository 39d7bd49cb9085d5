//! What a row type promises holds in whatever is made of its data.

use std::path::Path;

use crate::scratch::Scratch;
use polars::prelude::*;
use setl::dataset::{DataError, Dataset};
use setl::prelude::*;
use setl::run::Cause;
use setl::storage::{Memory, Parquet};

#[derive(Row, Clone, Debug, PartialEq)]
struct Customer {
    id: String,
    country: Option<String>,
    age: i64,
}

/// With an optional `id`, to write what `Customer` does not allow.
#[derive(Row)]
struct Loose {
    id: Option<String>,
    country: Option<String>,
    age: Option<i64>,
}

fn frame(ids: [Option<&str>; 4]) -> DataFrame {
    df!("id" => ids, "country" => [Some("DE"), Some("FR"), None, Some("DE")], "age" => [30_i64, 20, 40, 50])
        .unwrap()
}

fn good() -> DataFrame {
    frame([Some("a"), Some("b"), Some("c"), Some("d")])
}

fn bad() -> DataFrame {
    frame([Some("a"), None, Some("c"), None])
}

/// The same rows from everywhere that a dataset can come from.
fn everywhere(rows: &DataFrame, scratch: &Scratch) -> Vec<Dataset<Customer>> {
    let loose = Dataset::<Loose>::try_from(rows.clone()).unwrap();
    let put = |one: Repository<Loose>| {
        one.save_blocking(&loose).unwrap();
    };
    put(Csv::create(scratch.path("c.csv")).unwrap());
    put(Ndjson::create(scratch.path("c.jsonl")).unwrap());
    put(Parquet::create(scratch.path("c.parquet")).unwrap());
    put(Parquet::at(scratch.path("parts")).rows_per_file(1).create().unwrap());
    let load = |one: Repository<Customer>| one.load().unwrap();
    vec![
        load(Csv::open(scratch.path("c.csv")).unwrap()),
        load(Ndjson::open(scratch.path("c.jsonl")).unwrap()),
        load(Parquet::open(scratch.path("c.parquet")).unwrap()),
        load(Parquet::at(scratch.path("parts")).directory().open().unwrap()),
        Dataset::try_from(rows.clone()).unwrap(),
        Dataset::new(rows.clone().lazy().filter(lit(true))).unwrap(),
        Dataset::cast(rows.clone().lazy().with_column(col("age").cast(DataType::Int32))).unwrap(),
        load(Csv::open(scratch.path("c.csv")).unwrap()).filter(Customer::AGE.gt(0)),
    ]
}

type Query = fn(LazyFrame) -> LazyFrame;

/// Queries that read `id`.
const READING: [(&str, Query); 16] = [
    ("all", |all| all),
    ("select", |all| all.select([col("id")])),
    ("count", |all| all.select([col("id").count()])),
    ("with_columns", |all| {
        all.with_columns([col("id").str().to_lowercase().alias("low")]).select([col("low")])
    }),
    ("group_by", |all| all.group_by([col("id")]).agg([col("age").sum()])),
    ("aggregate", |all| all.group_by([col("country")]).agg([col("id").n_unique()])),
    ("filter on another", |all| all.filter(col("age").lt(lit(30))).select([col("id"), col("age")])),
    ("sort", |all| all.sort(["id"], Default::default()).select([col("age")])),
    ("unique", |all| all.unique(Some(cols(["id"])), UniqueKeepStrategy::Any).select([col("age").sum()])),
    ("join", |all| {
        let other = df!("id" => ["a", "b"], "x" => [1, 2]).unwrap().lazy();
        all.join(other, [col("id")], [col("id")], JoinType::Left.into())
    }),
    ("join from the right", |all| {
        let other = df!("id" => ["a", "b"], "x" => [1, 2]).unwrap().lazy();
        other.join(all, [col("id")], [col("id")], JoinType::Left.into())
    }),
    ("semi join", |all| {
        let other = df!("id" => ["a", "b"]).unwrap().lazy();
        all.join(other, [col("id")], [col("id")], JoinType::Semi.into()).select([col("age")])
    }),
    ("with itself", |all| all.clone().join(all, [col("id")], [col("id")], JoinType::Inner.into())),
    ("concat", |all| concat([all.clone(), all], UnionArgs::default()).unwrap()),
    ("window", |all| all.select([col("age").sum().over([col("id")]).unwrap()])),
    ("limit", |all| all.limit(3)),
];

/// Queries that do not read `id`, or not where it is null.
const NOT_READING: [(&str, Query); 4] = [
    ("select", |all| all.select([col("age")])),
    ("group_by", |all| all.group_by([col("country")]).agg([col("age").sum()])),
    ("filter", |all| all.filter(col("id").is_not_null()).select([col("id")])),
    ("filter on another", |all| all.filter(col("age").eq(lit(30)))),
];

const ENGINES: [Engine; 2] = [Engine::InMemory, Engine::Streaming];

fn run(query: Query, data: LazyFrame, engine: Engine) -> PolarsResult<DataFrame> {
    query(data).collect_with_engine(engine).map(|answer| answer.unwrap_single())
}

fn sorted(frame: DataFrame) -> DataFrame {
    let names: Vec<_> = frame.get_column_names_owned();
    frame.sort(names, Default::default()).unwrap()
}

#[test]
fn no_way_round_the_nulls() {
    let (scratch, of_good) = (Scratch::new(), Scratch::new());
    for (bad, good) in everywhere(&bad(), &scratch).into_iter().zip(everywhere(&good(), &of_good)) {
        for (name, query) in READING {
            for engine in ENGINES {
                let place = format!("{name} with {engine:?} of {bad}");
                let error = run(query, bad.lazy(), engine).expect_err(&place).to_string();
                assert!(
                    error.contains("dataset of `Customer`") && error.contains("column `id` holds"),
                    "{place}: {error}"
                );
                assert!(error.contains("declare the field as `Option`"), "{place}: {error}");
                let (checked, plain) = (
                    run(query, good.lazy(), engine).unwrap(),
                    run(query, self::good().lazy(), engine).unwrap(),
                );
                assert!(name == "limit" || sorted(checked).equals_missing(&sorted(plain)), "{place}");
            }
        }
        for (name, query) in NOT_READING {
            for engine in ENGINES {
                let found = run(query, bad.lazy(), engine);
                let found = found.unwrap_or_else(|error| panic!("{name} with {engine:?} of {bad}: {error}"));
                let plain = run(query, self::bad().lazy(), engine).unwrap();
                assert!(sorted(found).equals_missing(&sorted(plain)), "{name} with {engine:?} of {bad}");
            }
        }
    }
}

#[test]
fn a_cast_that_fails_says_why_once() {
    #[derive(Row)]
    struct Number {
        n: i64,
    }
    let text = df!("n" => ["1", "x"]).unwrap().lazy();
    let strict = text.clone().select([(col("n").strict_cast(DataType::Int64) + lit(1)).alias("n")]);
    for (dataset, reason) in [
        (Dataset::<Number>::cast(df!("n" => [2.7]).unwrap().lazy()).unwrap(), "does not survive the cast"),
        (Dataset::cast(text).unwrap(), "does not survive the cast"),
        (Dataset::new(strict).unwrap(), "conversion from `str` to `i64` failed"),
    ] {
        let error = format!("{:#}", dataset.collect_blocking().unwrap_err());
        assert_eq!(error.matches(reason).count(), 1, "{error}");
    }
}

/// Rows whose columns with and without `Option` have dtypes of all sizes.
#[derive(Row)]
struct Small {
    b: Option<bool>,
    a: i64,
    broken: Option<bool>,
}

#[derive(Row)]
struct SmallLoose {
    b: Option<bool>,
    a: Option<i64>,
    broken: Option<bool>,
}

/// Queries that count rows, and read no column.
const COUNTING: [(&str, Query); 6] = [
    ("len", |all| all.select([len()])),
    ("len of a column", |all| all.select([col("b").len()])),
    ("len of a choice", |all| all.select([col("b")]).select([len()])),
    ("len after more columns", |all| all.with_columns([lit(1).alias("one")]).select([len()])),
    ("len twice", |all| {
        concat([all.clone().select([len()]), all.select([len()])], UnionArgs::default()).unwrap()
    }),
    ("len of some", |all| all.limit(3).select([len()])),
];

#[test]
fn whoever_counts_rows_counts_no_nulls() {
    let scratch = Scratch::new();
    let rows = |a: [Option<i64>; 3]| {
        df!("b" => [None, Some(true), None], "a" => a, "broken" => [Some(true); 3]).unwrap()
    };
    let (good, bad) = (rows([Some(1), Some(2), Some(3)]), rows([Some(1), None, None]));
    let put = |rows: &DataFrame, name: &str| {
        let loose = Dataset::<SmallLoose>::try_from(rows.clone()).unwrap();
        Csv::create(scratch.path(&format!("{name}.csv"))).unwrap().save_blocking(&loose).unwrap();
        Parquet::create(scratch.path(&format!("{name}.parquet"))).unwrap().save_blocking(&loose).unwrap();
        let csv: Repository<Small> = Csv::open(scratch.path(&format!("{name}.csv"))).unwrap();
        let parquet: Repository<Small> = Parquet::open(scratch.path(&format!("{name}.parquet"))).unwrap();
        let lazy = Dataset::<Small>::new(rows.clone().lazy().filter(lit(true))).unwrap();
        [csv.load().unwrap(), parquet.load().unwrap(), Dataset::try_from(rows.clone()).unwrap(), lazy]
    };
    for (good, bad) in put(&good, "good").into_iter().zip(put(&bad, "bad")) {
        for (name, query) in COUNTING {
            for engine in ENGINES {
                let place = format!("{name} with {engine:?} of {bad}");
                let error = run(query, bad.lazy(), engine).expect_err(&place).to_string();
                assert!(error.contains(" a null in column `a`;"), "{place}: {error}");
                let counted = run(query, good.lazy(), engine).unwrap();
                assert!(
                    counted.equals(&run(query, rows([Some(1), Some(2), Some(3)]).lazy(), engine).unwrap()),
                    "{place}"
                );
            }
        }
        // Whoever reads another column is not made to read this one.
        let plan = bad.lazy().select([col("b")]).explain(true).unwrap();
        assert!(!plan.contains("is_null") && plan.contains("1/3 COLUMNS"), "{plan}");
        assert_eq!(bad.lazy().select([col("b")]).collect().unwrap().height(), 3);
    }
    let every = &everywhere(&self::bad(), &scratch);
    for bad in every {
        let error = bad.lazy().select([len()]).collect().expect_err("two rows without `id`").to_string();
        assert!(error.contains(" a null in column `id` or `age`;"), "{error}");
    }
}

#[test]
fn what_is_known_to_hold_is_not_checked_again() {
    let is_checked =
        |dataset: &Dataset<Customer>| dataset.lazy().describe_plan().unwrap().contains("CHECK no nulls");
    let whole = Dataset::<Customer>::try_from(good()).unwrap();
    assert!(!is_checked(&whole) && !is_checked(&whole.filter(Customer::AGE.gt(1))));
    assert!(!is_checked(&Dataset::from_rows(&whole.to_rows_blocking().unwrap()).unwrap()));
    let query = Dataset::<Customer>::new(good().lazy().filter(col("age").gt(lit(1)))).unwrap();
    assert!(is_checked(&query));
    assert!(!is_checked(&query.materialize_blocking().unwrap()));
    assert!(is_checked(&Dataset::try_from(bad()).unwrap()));
    let loose = Dataset::<Loose>::try_from(bad()).unwrap().lazy().describe_plan().unwrap();
    assert!(!loose.contains("CHECK"), "{loose}");
}

#[test]
fn conditions_columns_and_limits_reach_the_file() {
    let scratch = Scratch::new();
    for dataset in everywhere(&good(), &scratch).into_iter().take(3) {
        let explain = |query: LazyFrame| query.explain(true).unwrap();
        let plan = explain(dataset.lazy().filter(col("id").eq(lit("a"))).select([col("age")]));
        assert!(plan.contains("PROJECT 2/3 COLUMNS") && plan.contains("SELECTION: "), "{plan}");
        assert!(!plan.contains("FILTER"), "{plan}");
        let plan = explain(dataset.lazy().limit(2));
        assert!(plan.contains("SLICE: ") || plan.contains("SLICE[") && !plan.starts_with("SLICE"), "{plan}");
        // Polars reads once what stands there twice.
        let twice = READING.iter().find(|(name, _)| *name == "with itself").unwrap().1;
        let plan = explain(twice(dataset.lazy().select([col("id"), col("age")])));
        assert!(plan.contains("CACHE"), "{plan}");
    }
}

#[factory]
fn read_customers(source: Repository<Customer>) -> Result<Dataset<Customer>> {
    source.load()
}

#[factory]
async fn join_orders(read_customers: Dataset<Customer>) -> Result<DataFrame> {
    let orders = df!("id" => ["a", "b"], "x" => [1, 2])?.lazy();
    setl::collect(orders.join(read_customers.into_lazy(), [col("id")], [col("id")], JoinType::Left.into()))
        .await
}

#[factory]
fn by_country(read_customers: Dataset<Customer>) -> Result<i64> {
    let ids = read_customers.lazy().group_by([col("country")]).agg([col("id").n_unique()]);
    Ok(setl::collect_blocking(ids)?.height() as i64)
}

#[derive(Row)]
struct Count {
    id: Option<String>,
    age: i64,
}

/// A dataset of another row type, whose own promise is kept.
#[factory]
async fn save_counts(read_customers: Dataset<Customer>, target: Repository<Count>) -> Result<usize> {
    let counts = read_customers.lazy().group_by([col("id")]).agg([col("age").sum()]);
    target.save(&Dataset::new(counts)?).await
}

#[pipeline(extract(read_customers), transform(join_orders, by_country, save_counts))]
struct Job {
    customers: Repository<Customer>,
    target: Repository<Count>,
}

fn csv(path: &Path, rows: &DataFrame) -> Repository<Customer> {
    let loose = Dataset::<Loose>::try_from(rows.clone()).unwrap();
    Csv::create(path).unwrap().save_blocking(&loose).unwrap();
    Csv::open(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_names_the_factory_the_file_the_column_and_the_cure() {
    let scratch = Scratch::new();
    let customers = csv(&scratch.path("customers.csv"), &bad());
    let target: Repository<Count> = Parquet::create(scratch.path("counts.parquet")).unwrap();
    let outcome = Job { customers, target }.run().keep_going().outcome().await;
    let failures = outcome.failures();
    assert_eq!(failures.len(), 3, "{failures:?}");
    for failure in failures {
        let Cause::Error(error) = &failure.cause else { panic!("{failure}") };
        let text = format!("{error:#}");
        let file = scratch.path("customers.csv");
        let says = format!(
            "dataset of `Customer` from CSV file {} delivered by factory `read_customers`: column `id` holds ",
            file.display()
        );
        assert!(text.contains(&says) && text.contains("drop or fill them"), "{text}");
        assert!(
            error.chain().any(|cause| matches!(cause.downcast_ref(), Some(DataError::Nulls { .. }))),
            "{text}"
        );
    }
    assert!(!scratch.path("counts.parquet").exists());
}

#[cfg(feature = "optimize")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_on_a_checked_dataset_are_shared() {
    let scratch = Scratch::new();

    #[factory]
    async fn one(read_customers: Dataset<Customer>) -> Result<DataFrame> {
        let ages = read_customers.lazy().group_by([col("id")]).agg([col("age").sum()]);
        setl::collect(ages.filter(col("age").gt(lit(25)))).await
    }

    #[factory]
    async fn other(read_customers: Dataset<Customer>) -> Result<i64> {
        let ages = read_customers.lazy().group_by([col("id")]).agg([col("age").sum()]);
        Ok(setl::collect(ages.select([col("age").max()])).await?.height() as i64)
    }

    #[pipeline(extract(read_customers), transform(one, other))]
    struct Two {
        customers: Repository<Customer>,
    }

    let run = Two { customers: csv(&scratch.path("customers.csv"), &good()) }.run().await.unwrap();
    assert_eq!(run.get::<one>().height(), 3);
    let shared: Vec<_> = run.queries().iter().flat_map(|queries| &queries.shared).collect();
    assert_eq!(shared.len(), 1, "{:?}", run.queries());
    assert_eq!(shared[0].about, "aggregate by id of customers.csv");
    let memory: Repository<Customer> =
        Memory::new(&Dataset::try_from(good()).unwrap().to_rows_blocking().unwrap()).unwrap();
    let run = Two { customers: memory }.run().await.unwrap();
    assert_eq!(*run.get::<other>(), 1);
}
