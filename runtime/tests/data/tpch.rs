//! Queries in the manner of TPC-H, cached: what has changed runs, what depends on it, and nothing else; and what is damaged
//! costs time only.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use serde::Serialize;
use setl::cache::CachePolicy;
use setl::polars::prelude::*;
use setl::prelude::*;
use setl::run::{Run, Status};

use super::scratch::Scratch;

#[derive(Row, Clone, Debug)]
struct Customer {
    c_custkey: i64,
    c_mktsegment: String,
}

#[derive(Row, Clone, Debug)]
struct Order {
    o_orderkey: i64,
    o_custkey: i64,
    o_orderdate: i64,
    o_orderpriority: String,
}

#[derive(Row, Clone, Debug)]
struct Lineitem {
    l_orderkey: i64,
    l_quantity: f64,
    l_extendedprice: f64,
    l_discount: f64,
    l_shipdate: i64,
    l_commitdate: i64,
    l_receiptdate: i64,
}

/// What several queries ask of the lines of an order.
#[derive(Row, Clone, Debug)]
struct OrderLines {
    l_orderkey: i64,
    sum_qty: f64,
    late_lines: u32,
}

/// From how many days on a line is late.
#[derive(Clone, Serialize)]
struct Late(i64);

/// Which discounts q06 asks for.
#[derive(Clone, Serialize)]
struct Discount(f64);

struct Of<const QUERY: u8>;

#[factory]
fn by_order(#[delivery(auto_load)] lineitem: Dataset<Lineitem>, late: Late) -> Result<Dataset<OrderLines>> {
    let is_late = (Lineitem::L_RECEIPTDATE.col() - Lineitem::L_COMMITDATE.col()).gt_eq(lit(late.0));
    let orders = lineitem
        .lazy()
        .group_by([col("l_orderkey")])
        .agg([col("l_quantity").sum().alias("sum_qty"), is_late.sum().alias("late_lines")]);
    Dataset::cast(orders)
}

#[factory(id = Of<1>)]
async fn q01(#[delivery(auto_load)] lineitem: Dataset<Lineitem>) -> Result<DataFrame> {
    let query = lineitem
        .lazy()
        .filter(col("l_shipdate").lt_eq(lit(2000)))
        .group_by([col("l_discount")])
        .agg([col("l_quantity").sum(), col("l_extendedprice").sum(), len().alias("lines")]);
    setl::collect(query.sort(["l_discount"], Default::default())).await
}

#[factory(id = Of<3>)]
async fn q03(
    #[delivery(auto_load)] customer: Dataset<Customer>,
    #[delivery(auto_load)] orders: Dataset<Order>,
    #[delivery(auto_load)] lineitem: Dataset<Lineitem>,
) -> Result<DataFrame> {
    let query = customer
        .lazy()
        .filter(col("c_mktsegment").eq(lit("BUILDING")))
        .join(orders.lazy(), [col("c_custkey")], [col("o_custkey")], JoinArgs::default())
        .join(lineitem.lazy(), [col("o_orderkey")], [col("l_orderkey")], JoinArgs::default())
        .group_by([col("o_orderkey")])
        .agg([(col("l_extendedprice") * (lit(100.0) - col("l_discount"))).sum().alias("revenue")])
        .sort(["revenue"], SortMultipleOptions::default().with_order_descending(true))
        .limit(10);
    setl::collect(query).await
}

#[factory(id = Of<4>)]
async fn q04(
    #[delivery(auto_load)] orders: Dataset<Order>,
    by_order: Dataset<OrderLines>,
) -> Result<DataFrame> {
    let late = by_order.lazy().filter(col("late_lines").gt(lit(0)));
    let query = orders
        .lazy()
        .join(late, [col("o_orderkey")], [col("l_orderkey")], JoinArgs::new(JoinType::Semi))
        .group_by([col("o_orderpriority")])
        .agg([len().alias("order_count")])
        .sort(["o_orderpriority"], Default::default());
    setl::collect(query).await
}

#[factory(id = Of<6>)]
async fn q06(#[delivery(auto_load)] lineitem: Dataset<Lineitem>, discount: Discount) -> Result<DataFrame> {
    let query = lineitem
        .lazy()
        .filter(col("l_discount").gt_eq(lit(discount.0)).and(col("l_quantity").lt(lit(24.0))))
        .select([(col("l_extendedprice") * col("l_discount")).sum().alias("revenue")]);
    setl::collect(query).await
}

#[factory(id = Of<18>)]
async fn q18(
    #[delivery(auto_load)] orders: Dataset<Order>,
    by_order: Dataset<OrderLines>,
) -> Result<DataFrame> {
    let large = by_order.lazy().filter(col("sum_qty").gt(lit(150.0)));
    let query = orders
        .lazy()
        .join(large, [col("o_orderkey")], [col("l_orderkey")], JoinArgs::default())
        .select([col("o_custkey"), col("o_orderkey"), col("o_orderdate"), col("sum_qty")])
        .sort(["sum_qty", "o_orderkey"], SortMultipleOptions::default().with_order_descending(true))
        .limit(100);
    setl::collect(query).await
}

/// How many customers there are in each segment: it needs one table only.
#[factory(id = Of<22>)]
async fn q22(#[delivery(auto_load)] customer: Dataset<Customer>) -> Result<DataFrame> {
    let query = customer.lazy().group_by([col("c_mktsegment")]).agg([len().alias("customers")]);
    setl::collect(query.sort(["c_mktsegment"], Default::default())).await
}

/// Below two queries.
#[factory]
fn summary(
    #[delivery(id = Of<4>)] priorities: DataFrame,
    #[delivery(id = Of<18>)] large: DataFrame,
) -> Vec<u64> {
    vec![priorities.height() as u64, large.height() as u64]
}

#[pipeline(transform(by_order), load(q01, q03, q04, q06, q18, q22), report(summary))]
struct Queries {
    customer: Repository<Customer>,
    orders: Repository<Order>,
    lineitem: Repository<Lineitem>,
    late: Late,
    discount: Discount,
}

const ALL: [&str; 8] = ["by_order", "q01", "q03", "q04", "q06", "q18", "q22", "summary"];

/// The tables, and what the queries are asked for.
struct Warehouse {
    scratch: Scratch,
    late: i64,
    discount: f64,
}

impl Warehouse {
    fn new() -> Self {
        let this = Self { scratch: Scratch::new(), late: 1, discount: 5.0 };
        let segment = |at: i64| ["BUILDING", "MACHINERY", "FURNITURE"][(at % 3) as usize].to_owned();
        let customers = (0..150).map(|at| Customer { c_custkey: at, c_mktsegment: segment(at) });
        save(&this.path("customer"), customers);
        let priority = |at: i64| format!("{}-PRIORITY", 1 + at % 5);
        let orders = (0..1500).map(|at| Order {
            o_orderkey: at,
            o_custkey: at * 7 % 150,
            o_orderdate: at * 11 % 2400,
            o_orderpriority: priority(at / 3),
        });
        save(&this.path("orders"), orders);
        this.write_lines(1);
        this
    }

    fn write_lines(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let lines = (0..6000).map(|at| {
            let commit = random.i64(30..90) + at / 4 * 11 % 2400;
            Lineitem {
                l_orderkey: at / 4,
                l_quantity: random.u8(1..=50).into(),
                // In cents and percent: sums of whole numbers are the same in any order.
                l_extendedprice: random.u32(90_000..10_000_000).into(),
                l_discount: random.u8(0..=10).into(),
                l_shipdate: commit - random.i64(1..30),
                l_commitdate: commit,
                l_receiptdate: commit + random.i64(-60..30),
            }
        });
        save(&self.path("lineitem"), lines);
    }

    fn path(&self, table: &str) -> PathBuf {
        self.scratch.path(&format!("{table}.parquet"))
    }

    fn queries(&self) -> setl::RunBuilder<Queries> {
        let queries = Queries {
            customer: Parquet::open(self.path("customer")).unwrap(),
            orders: Parquet::open(self.path("orders")).unwrap(),
            lineitem: Parquet::open(self.path("lineitem")).unwrap(),
            late: Late(self.late),
            discount: Discount(self.discount),
        };
        queries.run().state_dir(self.scratch.path("state"))
    }

    /// A run in which exactly these factories run, the others are taken from the cache or not needed, and the answers are those of
    /// a run that has no cache.
    #[track_caller]
    fn check(&self, ran: &[&str]) -> Run<Queries> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let run = runtime.block_on(async { self.queries().cache(CachePolicy::all()).await }).unwrap();
        let with = |which: fn(Status) -> bool| -> Vec<&str> {
            let entries = run.report().entries().iter().filter(|entry| which(entry.status));
            entries.map(|entry| &*entry.factory).collect()
        };
        assert_eq!(with(|status| status == Status::Succeeded), ran, "{run}");
        let spared = with(|status| matches!(status, Status::Cached | Status::NotSelected));
        assert_eq!(spared.len() + ran.len(), ALL.len(), "{run}");
        let expected = runtime.block_on(async { self.queries().cache(CachePolicy::off()).await }).unwrap();
        assert_eq!(answers(&run), answers(&expected));
        run
    }

    /// The files of what is kept of a factory.
    fn kept(&self, factory: &str) -> PathBuf {
        let entries = setl::cache::list(self.scratch.path("state")).unwrap();
        entries.into_iter().find(|entry| entry.factory == factory).unwrap().path
    }
}

fn save<T: Row>(path: &Path, rows: impl Iterator<Item = T>) {
    let rows: Vec<T> = rows.collect();
    Parquet::create(path).unwrap().save_blocking(&Dataset::from_rows(&rows).unwrap()).unwrap();
}

/// With every value of every query.
fn answers(run: &Run<Queries>) -> Vec<String> {
    let frames = [run.get::<q01>(), run.get::<q03>(), run.get::<q06>(), run.get::<q22>()];
    assert!(frames.iter().all(|frame| frame.height() > 0));
    let csv = |frame: &DataFrame| {
        let mut text = Vec::new();
        CsvWriter::new(&mut text).finish(&mut frame.clone()).unwrap();
        String::from_utf8(text).unwrap()
    };
    frames.into_iter().map(csv).chain([format!("{:?}", run.get::<summary>())]).collect()
}

#[test]
fn a_changed_factory_runs_and_what_depends_on_it() {
    let mut warehouse = Warehouse::new();
    warehouse.check(&ALL);
    let run = warehouse.check(&[]);
    assert_eq!(run.report().entry("by_order").unwrap().status, Status::NotSelected, "nobody needs it");
    // What one query takes alone.
    warehouse.discount = 7.0;
    warehouse.check(&["q06"]);
    // What one in the middle takes: it, and those below.
    warehouse.late = 20;
    warehouse.check(&["by_order", "q04", "q18", "summary"]);
    // What it was before is still there.
    (warehouse.late, warehouse.discount) = (1, 5.0);
    warehouse.check(&[]);
}

#[test]
fn a_changed_file_runs_what_has_read_it() {
    let warehouse = Warehouse::new();
    warehouse.check(&ALL);
    warehouse.write_lines(2);
    warehouse.check(&["by_order", "q01", "q03", "q04", "q06", "q18", "summary"]);
    warehouse.check(&[]);
    // The same rows again: by their content, not by their time.
    warehouse.write_lines(1);
    warehouse.check(&[]);
}

/// What becomes of a file costs a run of the factory whose output it is, and the report says why.
fn damaged(factory: &str, file: &str, damage: impl Fn(&Path), because: &str) {
    let warehouse = Warehouse::new();
    warehouse.check(&ALL);
    damage(&warehouse.kept(factory).join(file));
    let run = warehouse.check(&[factory]);
    let cache = run.report().cache().iter().find(|cache| cache.factory == factory).unwrap();
    assert_eq!((cache.because.as_deref(), cache.added), (Some(because), true), "{run}");
    warehouse.check(&[]);
}

fn corrupt(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn truncate(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

#[test]
fn a_file_of_the_cache_that_is_damaged_costs_time_only() {
    let payload = "payload/frame.parquet";
    damaged("q03", payload, |path| fs::remove_file(path).unwrap(), "its file is damaged");
    damaged("q03", payload, corrupt, "its file is damaged");
    damaged("q03", payload, truncate, "its file is damaged");
    damaged("q03", "manifest", |path| fs::remove_file(path).unwrap(), "its manifest is missing");
    damaged("q03", "manifest", corrupt, "its manifest is damaged");
    damaged("q03", "manifest", truncate, "its manifest is damaged");
}

/// What is below takes it from the cache, as long as that is whole; what is above runs only if somebody needs it.
#[test]
fn damage_in_the_middle_goes_as_far_up_as_it_has_to() {
    let mut warehouse = Warehouse::new();
    warehouse.check(&ALL);
    corrupt(&warehouse.kept("by_order").join("payload/frame.parquet"));
    warehouse.check(&[]);
    corrupt(&warehouse.kept("q04").join("payload/frame.parquet"));
    // Nobody takes q04 but the summary, which is there.
    warehouse.check(&[]);
    let summary = warehouse.kept("summary");
    fs::remove_dir_all(summary).unwrap();
    warehouse.check(&["by_order", "q04", "summary"]);
    warehouse.late = 20;
    warehouse.check(&["by_order", "q04", "q18", "summary"]);
}

#[cfg(feature = "optimize")]
mod by_cost {
    use std::time::Duration;

    use setl::optimize::{History, Learning, RunRecord};

    use super::*;

    fn history(warehouse: &Warehouse) -> History {
        History::open(History::path_in(&warehouse.scratch.path("state"))).unwrap()
    }

    /// Five runs as the last one, in which factories took as long as `seconds` says.
    fn pretend(warehouse: &Warehouse, seconds: impl Fn(&str) -> f64) {
        let history = history(warehouse);
        let mut run: RunRecord = history.runs("Queries", 1).unwrap().remove(0);
        for record in &mut run.factories {
            record.wall = Duration::from_secs_f64(seconds(&record.factory));
            (record.waited, record.queries) = Default::default();
        }
        run.batches.clear();
        for number in 0..5 {
            run.run_id = number.to_string();
            history.record(&run).unwrap();
        }
    }

    #[tokio::test]
    async fn what_takes_long_is_cached_and_nothing_else() {
        let warehouse = Warehouse::new();
        let run =
            async || warehouse.queries().cache(CachePolicy::by_cost()).learn(Learning::new()).await.unwrap();
        let first = run().await;
        assert!(first.learned().unwrap().cache_decisions.is_empty(), "nothing is known: {first}");
        assert!(first.report().cache().is_empty());
        pretend(&warehouse, |factory| match factory {
            "q03" => 20.0,
            "q18" => 10.0,
            _ => 0.002,
        });
        let second = run().await;
        let learned = second.learned().unwrap();
        let kept: Vec<_> =
            learned.cache_decisions.iter().filter(|one| one.is_kept).map(|one| &*one.factory).collect();
        assert_eq!(
            (kept, learned.cache_decisions.len()),
            (vec!["q03", "q18"], ALL.len()),
            "{:#?}",
            learned.cache_decisions
        );
        let text = learned.to_string();
        assert!(text.contains("`q03` is cached: it takes"), "{text}");
        assert!(!text.contains("`q01` is"), "only what is kept is told of: {text}");
        assert!(
            learned
                .cache_decisions
                .iter()
                .any(|one| one.to_string().starts_with("`q01` is not cached: it takes"))
        );
        assert!(second.report().cache().iter().all(|cache| cache.added), "{:?}", second.report().cache());

        let third = run().await;
        for entry in third.report().entries() {
            let cached = ["q03", "q18"].contains(&&*entry.factory);
            let expected = if cached { Status::Cached } else { Status::Succeeded };
            assert_eq!(entry.status, expected, "{third}");
        }
        assert_eq!(answers(&third), answers(&first));
        assert!(third.learned().unwrap().comparison.is_none());
        // The made-up times differ from those that were measured by so much that little may be known.
        let prediction = third.learned().unwrap().prediction.as_ref().unwrap();
        let expected = match prediction.makespan.if_known(prediction.basis) {
            Some(_) => "had nothing been taken from earlier runs",
            None => "nothing was predicted: ",
        };
        assert!(third.to_string().contains(expected), "{third}");
    }

    #[tokio::test]
    async fn the_bound_is_kept_and_those_that_are_named_stay() {
        let warehouse = Warehouse::new();
        let run = async |policy: CachePolicy| {
            let run = warehouse.queries().cache(policy).learn(Learning::new()).await.unwrap();
            run.report().cache().iter().map(|cache| cache.factory.clone()).collect::<Vec<_>>()
        };
        assert_eq!(run(CachePolicy::by_cost()).await, Vec::<String>::new());
        pretend(&warehouse, |_| 20.0);
        // The rows of all orders have no room.
        let small = CachePolicy::by_cost().max_bytes(8000);
        assert!(!run(small).await.contains(&"by_order".to_owned()));
        pretend(&warehouse, |_| 20.0);
        assert_eq!(run(CachePolicy::by_cost().max_bytes(0)).await, Vec::<String>::new());
        assert_eq!(run(CachePolicy::by_cost().max_bytes(0).also(["q22"])).await, ["q22"]);
    }

    #[tokio::test]
    async fn without_a_history_it_does_not_start() {
        let error = Warehouse::new().queries().cache(CachePolicy::by_cost()).await.unwrap_err().to_string();
        assert!(error.contains("`CachePolicy::by_cost()` needs to know what factories cost"), "{error}");
        assert!(error.contains("add `.learn(Learning::new())` to the run"), "{error}");
    }
}
