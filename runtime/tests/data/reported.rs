//! What the report of a run says of lazy outputs, of work and waiting, and of shared parts.

use std::time::Duration;

use setl::optimize::Optimizer;
use setl::polars::prelude::*;
use setl::prelude::*;
use setl::run::Status;

use super::scratch::Scratch;

#[derive(Row, Clone, Debug)]
struct Sale {
    product: String,
    price: f64,
}

struct ByProduct;
struct Total;

#[factory]
fn sales(source: Repository<Sale>) -> Result<Dataset<Sale>> {
    source.load()
}

#[factory(id = ByProduct)]
fn by_product(sales: Dataset<Sale>) -> Result<Dataset<Sale>> {
    Dataset::new(sales.lazy().group_by([Sale::PRODUCT.col()]).agg([Sale::PRICE.col().sum()]))
}

#[factory]
async fn dearest(#[delivery(id = ByProduct)] revenue: Dataset<Sale>) -> Result<DataFrame> {
    revenue.filter(Sale::PRICE.gt(6.0)).collect().await
}

#[factory(id = Total)]
async fn total(#[delivery(id = ByProduct)] revenue: Dataset<Sale>) -> Result<DataFrame> {
    setl::collect(revenue.lazy().select([Sale::PRICE.col().sum()])).await
}

/// Takes the query, and runs none.
#[factory]
fn columns(#[delivery(id = ByProduct)] revenue: Dataset<Sale>) -> Result<usize> {
    Ok(revenue.lazy().collect_schema()?.len())
}

#[pipeline(extract(sales), transform(by_product), load(dearest, total, columns))]
struct Shop {
    source: Repository<Sale>,
}

fn shop(scratch: &Scratch) -> Shop {
    let path = scratch.file("sales.csv", "product,price\ntea,2.5\ncoffee,6.0\ntea,4.0\n");
    Shop { source: Csv::open(path).unwrap() }
}

#[tokio::test]
async fn a_lazy_output_says_who_has_computed_it() {
    let scratch = Scratch::new();
    let run = shop(&scratch).run().await.unwrap();
    for lazy in ["sales", "by_product"] {
        let entry = run.entry(lazy).unwrap();
        assert_eq!((entry.status, entry.rows, entry.is_lazy), (Status::Succeeded, None, true), "{run}");
        assert_eq!(entry.computed_by, ["dearest", "total"], "{lazy}: `columns` has run no query");
    }
    for computed in ["dearest", "total", "columns"] {
        let entry = run.entry(computed).unwrap();
        assert!(!entry.is_lazy && entry.computed_by.is_empty(), "{run}");
    }
    let text = run.to_string();
    assert!(
        text.contains("lazy: only the query was built") && text.contains("run by dearest and 1 more"),
        "{text}"
    );

    let alone = shop(&scratch).run().optimizer(Optimizer::off()).await.unwrap();
    let entry = alone.entry("sales").unwrap();
    assert!(entry.is_lazy && entry.computed_by.is_empty(), "nobody has looked into the queries: {alone}");
}

#[tokio::test]
async fn a_shared_part_is_named_by_its_factory_and_its_files() {
    let scratch = Scratch::new();
    let run = shop(&scratch).run().await.unwrap();
    let shared = &run.queries()[0].shared[0];
    assert_eq!(shared.about, "output of `by_product`, from sales.csv");
    let text = run.explain().to_string();
    assert_eq!(text.matches("output of `by_product`").count(), 1, "{text}");
    assert!(!text.contains("columns product"), "{text}");
    for line in text.lines().filter(|line| line.starts_with("  dearest: ") || line.starts_with("  total: ")) {
        assert!(line.ends_with("; takes part 1"), "{text}");
    }
    let lines = text.lines().filter(|line| line.contains("-> Dataset<Sale>")).count();
    assert_eq!(lines, 2, "each factory of the plan is there once: {text}");
}

#[tokio::test]
async fn work_and_waiting_make_the_time_of_a_factory() {
    let scratch = Scratch::new();
    let run = shop(&scratch).run().optimizer(Optimizer::new().parallel_queries(1)).await.unwrap();
    let entries = run.entries();
    for entry in entries {
        assert_eq!(entry.timing.work() + entry.timing.waiting, entry.timing.total(), "{run}");
    }
    let work: Duration = entries.iter().map(|entry| entry.timing.work()).sum();
    assert_eq!(run.total_factory_time(), work);
    let mean = work.as_secs_f64() / run.makespan().as_secs_f64();
    assert!(run.mean_parallelism() <= mean + 1e-9);
}

#[factory]
async fn slow() -> u8 {
    tokio::time::sleep(Duration::from_millis(30)).await;
    1
}

#[factory]
async fn slow_too() -> u16 {
    tokio::time::sleep(Duration::from_millis(30)).await;
    1
}

#[factory]
async fn slow_as_well() -> u32 {
    tokio::time::sleep(Duration::from_millis(30)).await;
    1
}

#[pipeline(only(slow, slow_too, slow_as_well))]
struct Sleeping;

#[tokio::test(flavor = "current_thread")]
async fn one_thread_is_no_more_than_one() {
    let run = Sleeping.run().await.unwrap();
    assert!(run.total_factory_time() > run.makespan(), "they sleep at the same time: {run}");
    assert!((run.mean_parallelism() - 1.0).abs() < 1e-9, "{run}");
    assert!(run.to_string().contains("mean parallelism 1.0"), "{run}");
}

#[factory(cache)]
fn kept(source: Repository<Sale>) -> Result<Dataset<Sale>> {
    source.load()
}

#[factory(cache, id = Total)]
async fn counted(kept: Dataset<Sale>) -> Result<u64> {
    Ok(kept.collect().await?.height() as u64)
}

#[factory]
fn shown(kept: Dataset<Sale>, #[delivery(id = Total)] counted: u64) -> Result<bool> {
    Ok(kept.collect_blocking()?.height() as u64 == counted)
}

#[pipeline(extract(kept), transform(counted), load(shown))]
struct Cached {
    source: Repository<Sale>,
}

#[tokio::test]
async fn the_time_of_building_a_query_is_not_what_the_cache_saves() {
    let scratch = Scratch::new();
    let source = shop(&scratch).source;
    let run =
        async || Cached { source: source.clone() }.run().state_dir(scratch.path("state")).await.unwrap();
    run().await;
    let second = run().await;
    let [kept, counted] = second.cache() else { panic!("{:?}", second.cache()) };
    assert_eq!((kept.hits, kept.saved, kept.saved_unknown), (1, Duration::ZERO, true), "{second}");
    assert!(counted.hits == 1 && !counted.saved.is_zero() && !counted.saved_unknown, "{second}");
    let note = |name: &str| second.entry(name).unwrap().note.clone();
    assert_eq!(note("kept"), None, "how long it took is not known");
    assert!(note("counted").unwrap().ends_with("when it was computed"), "{second}");
    assert!(second.to_string().contains("; at least "), "{second}");
}
