//! Queries that factories wait for at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use setl::CancellationToken;
use setl::optimize::{Learning, Optimizer, Pass};
use setl::polars::prelude::*;
use setl::prelude::*;
use setl::storage::Memory;

use super::scratch::Scratch;

#[derive(Row, Clone, Debug, PartialEq)]
struct Sale {
    product: String,
    price: f64,
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Revenue {
    product: String,
    price: f64,
}

#[factory]
fn sales() -> Result<Dataset<Sale>> {
    let frame = df!("product" => ["tea", "coffee", "tea"], "price" => [2.5, 6.0, 4.0])?;
    Ok(Dataset::try_from(frame)?)
}

#[factory]
fn revenue(sales: Dataset<Sale>) -> Result<Dataset<Revenue>> {
    let sums = sales.lazy().group_by([Sale::PRODUCT.col()]).agg([Sale::PRICE.col().sum()]);
    Dataset::new(sums)
}

struct Best;
struct Count;
struct Written;

#[factory(id = Best)]
async fn best(revenue: Dataset<Revenue>) -> Result<f64> {
    let best = setl::collect(revenue.lazy().select([col("price").max()])).await?;
    Ok(best.column("price")?.f64()?.get(0).unwrap_or_default())
}

#[factory(id = Count)]
fn count(revenue: Dataset<Revenue>) -> Result<f64> {
    Ok(revenue.collect_blocking()?.height() as f64)
}

#[factory(id = Written)]
async fn written(revenue: Dataset<Revenue>, target: Repository<Revenue>) -> Result<usize> {
    target.save(&revenue).await
}

#[pipeline(extract(sales), transform(revenue), load(best, count, written))]
struct Shop {
    target: Repository<Revenue>,
}

#[tokio::test]
async fn what_asynchronous_and_synchronous_factories_and_writes_share_is_computed_once() {
    let scratch = Scratch::new();
    for file in [false, true] {
        let target = match file {
            true => Parquet::create(scratch.path("revenue.parquet")).unwrap(),
            false => Memory::empty(),
        };
        let run = Shop { target: target.clone() }.run().await.unwrap();
        assert_eq!((*run.get::<best>(), *run.get::<count>(), *run.get::<written>()), (6.5, 2.0, 2));
        assert_eq!(target.load().unwrap().to_rows_blocking().unwrap().len(), 2);
        let shared: Vec<_> = run.queries().iter().flat_map(|queries| &queries.shared).collect();
        assert_eq!(shared.len(), 1, "{:?}", run.queries());
        assert_eq!(shared[0].about, "output of `revenue`");
        let expected: &[&str] = if file { &["best", "count", "written"] } else { &["best", "count"] };
        assert!(
            expected.iter().all(|name| shared[0].factories.iter().any(|of| of == name)),
            "{:?}",
            run.queries()
        );
    }
}

#[tokio::test]
async fn an_explanation_says_who_shares_what() {
    let run = Shop { target: Memory::empty() }.run().await.unwrap();
    let explanation = run.explain();
    let shared = &explanation.queries()[0].shared[0];
    assert_eq!(shared.about, "output of `revenue`");
    let text = explanation.to_string();
    for said in
        ["plan: pipeline Shop", "part 1, computed once: output of `revenue`", "for best, count", "\nactual: "]
    {
        assert!(text.contains(said), "{said} is missing: {text}");
    }
}

#[tokio::test]
async fn nothing_is_gathered_where_the_optimiser_is_off() {
    for optimizer in [Optimizer::off(), Optimizer::new().without(Pass::Gather)] {
        let run = Shop { target: Memory::empty() }.run().optimizer(optimizer).await.unwrap();
        assert_eq!((*run.get::<best>(), *run.get::<count>()), (6.5, 2.0));
        assert!(run.queries().is_empty());
    }
}

#[factory]
fn one_of_many(context: Context, sales: Dataset<Sale>) -> Result<usize> {
    let least = context.factory().len() as f64 - 8.0;
    let sales = sales.lazy().filter(col("price").gt(lit(least)));
    Ok(setl::collect_blocking(sales)?.height())
}

/// Each keeps a thread for blocking work while it waits.
#[tokio::test]
async fn more_factories_may_wait_than_there_are_threads() {
    for threads in [1, 2, 8] {
        let mut builder = Pipeline::builder("many").stage("first").factory::<sales>().stage("then");
        for at in 0..20 {
            builder = builder.factory_named::<one_of_many>(format!("count {at:02}"), |wiring| wiring);
        }
        let run = builder.build().unwrap().run().blocking_threads(threads);
        let run = run.optimizer(Optimizer::new().wait_at_most(Duration::from_secs(3600))).await.unwrap();
        assert_eq!(run.find_named::<usize>("count 07"), Some(&3));
        let queries: usize = run.queries().iter().map(|queries| queries.factories.len()).sum();
        assert_eq!(queries, 20);
    }
}

static BUSY: AtomicUsize = AtomicUsize::new(0);

#[factory(id = Best)]
async fn waits_for_queries(sales: Dataset<Sale>) -> Result<f64> {
    let height = sales.collect().await?.height();
    BUSY.fetch_add(1, Ordering::SeqCst);
    Ok(height as f64)
}

/// Is busy until somebody else has the answer to a query.
#[factory(id = Count)]
async fn is_busy() -> f64 {
    while BUSY.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    1.0
}

#[pipeline(extract(sales), transform(waits_for_queries, is_busy))]
struct Mixed;

#[tokio::test]
async fn queries_do_not_wait_for_long_for_those_who_are_busy() {
    let run = Mixed.run().await.unwrap();
    assert_eq!(*run.get::<waits_for_queries>(), 3.0);
}

#[factory(id = Best)]
fn waits_in_its_thread(sales: Dataset<Sale>) -> Result<usize> {
    Ok(sales.collect_blocking()?.height())
}

#[factory(id = Count)]
async fn never_ends(token: CancellationToken) -> f64 {
    token.cancel();
    std::future::pending().await
}

#[pipeline(extract(sales), transform(waits_in_its_thread, never_ends))]
struct Cancelled {
    token: CancellationToken,
}

#[tokio::test]
async fn a_query_that_waits_ends_with_the_run() {
    let token = CancellationToken::new();
    let optimizer = Optimizer::new().wait_at_most(Duration::from_secs(3600));
    let run = Cancelled { token: token.clone() }.run().cancel_on(token).optimizer(optimizer);
    assert!(run.await.unwrap_err().is_cancelled());
}

#[factory(id = Best)]
async fn fails(sales: Dataset<Sale>) -> Result<DataFrame> {
    setl::collect(sales.lazy().select([col("product").strict_cast(DataType::Int64)])).await
}

#[factory(id = Count)]
async fn succeeds(sales: Dataset<Sale>) -> Result<DataFrame> {
    setl::collect(sales.lazy().select([col("price").sum()])).await
}

#[pipeline(extract(sales), transform(fails, succeeds))]
struct Failing;

#[tokio::test]
async fn a_query_that_fails_is_the_failure_of_its_factory_alone() {
    let outcome = Failing.run().keep_going().outcome().await;
    let failed: Vec<_> = outcome.failures().iter().map(|failure| failure.factory.as_str()).collect();
    assert_eq!(failed, ["fails"]);
    assert_eq!(outcome.find::<succeeds>().unwrap().height(), 1);
}

#[factory(id = Best)]
async fn panics(sales: Dataset<Sale>) -> Result<DataFrame> {
    let query = sales.lazy().map(|_| panic!("no such thing"), AllowedOptimizations::default(), None, None);
    setl::collect(query).await
}

#[pipeline(extract(sales), transform(panics, succeeds))]
struct Panicking;

#[tokio::test]
async fn a_query_that_panics_is_the_panic_of_its_factory_alone() {
    let outcome = Panicking.run().keep_going().outcome().await;
    let failed: Vec<_> = outcome.failures().iter().map(|failure| failure.factory.as_str()).collect();
    assert_eq!(failed, ["panics"]);
    assert!(outcome.failures()[0].to_string().contains("no such thing"), "{}", outcome.failures()[0]);
    assert_eq!(outcome.find::<succeeds>().unwrap().height(), 1);
}

#[tokio::test]
async fn runs_are_predicted_from_those_before() {
    let scratch = Scratch::new();
    let learned = async || {
        let shop = Shop { target: Memory::empty() };
        let run = shop.run().learn(Learning::new().at(scratch.path("history.sqlite"))).await.unwrap();
        (run.learned().unwrap().clone(), run.to_string())
    };
    let (first, text) = learned().await;
    assert!(first.prediction.is_none() && first.history_error.is_none(), "{first}");
    assert!(text.contains("nothing was predicted"), "{text}");
    let (second, _) = learned().await;
    let text = second.to_string();
    let prediction = second.prediction.unwrap();
    assert_eq!(prediction.factories.len(), 5);
    assert!(text.contains("predicted") && text.contains("took"), "{text}");

    std::fs::write(scratch.path("other.sqlite"), "no database at all, but long enough to look like one")
        .unwrap();
    let learning = Learning::new().at(scratch.path("missing").join("history.sqlite/below"));
    std::fs::write(scratch.path("missing"), "a file").unwrap();
    let run = Shop { target: Memory::empty() }.run().learn(learning).await.unwrap();
    assert!(
        run.learned().unwrap().history_error.is_some(),
        "it runs nevertheless, and says why nothing was learned"
    );
}
