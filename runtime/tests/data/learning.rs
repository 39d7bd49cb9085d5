//! What runs learn from those before: in the report, and in the history.

use std::collections::BTreeSet;
use std::time::Duration;

use setl::optimize::{History, Learning};
use setl::polars::prelude::*;
use setl::prelude::*;

use super::scratch::Scratch;

/// So many that both engines are guessed to take as long, within 2 %.
const ROWS: i64 = 460_000;

#[factory]
fn numbers() -> Result<LazyFrame> {
    let rows = Vec::from_iter(0..ROWS);
    Ok(df!("key" => rows.iter().map(|row| row % 11).collect::<Vec<_>>(), "row" => rows)?.lazy())
}

#[factory]
async fn sums(numbers: LazyFrame) -> Result<DataFrame> {
    setl::collect(numbers.group_by([col("key")]).agg([col("row").sum()]).sort(["key"], Default::default()))
        .await
}

#[pipeline(extract(numbers), transform(sums))]
struct Engines;

#[tokio::test]
async fn both_engines_are_tried_and_the_evidence_can_be_read() {
    let scratch = Scratch::new();
    let path = scratch.path("history.sqlite");
    let mut outputs = Vec::new();
    let mut because = String::new();
    for _ in 0..4 {
        let run = Engines.run().learn(Learning::new().at(&path)).await.unwrap();
        outputs.push(run.get::<sums>().clone());
        because.clone_from(&run.queries()[0].because[0]);
    }
    assert!(outputs.iter().all(|output| output.equals(&outputs[0])), "whichever engine runs it");
    assert!(because.contains("in memory") || because.contains("streaming"), "{because}");
    let choices = History::open(&path).unwrap().choices("Engines", 10).unwrap();
    assert_eq!(choices.len(), 4);
    let same = choices.iter().map(|choice| &*choice.record.fingerprint).collect::<BTreeSet<_>>();
    assert_eq!(same.len(), 1, "the frame is another one in each run, and the query the same");
    let engines: BTreeSet<_> = choices.iter().map(|choice| &*choice.record.alternative).collect();
    assert_eq!(engines, BTreeSet::from(["in memory", "streaming"]));
    assert!(choices.iter().any(|choice| choice.record.tried));
    assert!(
        choices
            .iter()
            .all(|choice| choice.record.factories == ["sums"] && choice.record.wall > Duration::ZERO)
    );
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Sale {
    product: String,
    price: f64,
    day: i64,
}

#[factory]
fn sales(source: Repository<Sale>) -> Result<Dataset<Sale>> {
    source.load()
}

#[factory]
async fn prices(sales: Dataset<Sale>) -> Result<DataFrame> {
    setl::collect(sales.lazy().select([col("product"), col("price")])).await
}

#[factory]
async fn total(prices: DataFrame) -> Result<f64> {
    let total = setl::collect(prices.lazy().select([col("price").sum()])).await?;
    Ok(total.column("price")?.f64()?.get(0).unwrap_or_default())
}

#[pipeline(extract(sales), transform(prices), load(total))]
struct Shop {
    source: Repository<Sale>,
}

#[tokio::test]
async fn what_queries_read_is_recorded() {
    let scratch = Scratch::new();
    let (csv, path) = (scratch.path("sales.csv"), scratch.path("history.sqlite"));
    std::fs::write(&csv, "product,price,day\ntea,2.5,1\ncoffee,6.0,1\n").unwrap();
    let run = Shop { source: Csv::open(&csv).unwrap() }.run().learn(Learning::new().at(&path)).await.unwrap();
    assert_eq!(*run.get::<total>(), 8.5);
    let run = History::open(&path).unwrap().runs("Shop", 1).unwrap().remove(0);
    let [file, frame] = &run.reads[..] else { panic!("{:?}", run.reads) };
    assert_eq!((&file.factories[..], &*file.format), (&["prices".to_owned()][..], "CSV"));
    assert!(file.path.as_deref().unwrap().ends_with("sales.csv"), "{file:?}");
    assert_eq!((file.bytes, file.columns_read, file.columns), (41, 2, 3));
    assert!(file.modified.is_some());
    assert_eq!((&*frame.format, frame.columns_read, frame.columns), ("frame", 1, 2));
    assert_eq!((frame.path.as_deref(), frame.from.as_deref()), (None, Some("prices")));
    assert_eq!(run.links, [(0, 1), (1, 2)]);
    assert!(run.cores.is_some());
}

#[tokio::test]
async fn a_drift_is_reported_by_the_run() {
    let scratch = Scratch::new();
    let path = scratch.path("history.sqlite");
    let learned = async || {
        let run = Engines.run().learn(Learning::new().at(&path)).await.unwrap();
        (run.learned().unwrap().drifts.clone(), run.to_string())
    };
    learned().await;
    let history = History::open(&path).unwrap();
    // What a run records, with times that are made up: a week ago, `sums` began to take three times as long.
    let mut template = history.runs("Engines", 1).unwrap().remove(0);
    for day in 0..20_u64 {
        let mut run = template.clone();
        run.run_id = format!("day-{day:02}");
        run.started += Duration::from_secs(1 + day);
        let slow = if day < 13 { 1.0 } else { 3.0 };
        run.factories[0].wall = Duration::from_millis(20);
        run.factories[1].wall = Duration::from_secs_f64(2.0 * slow * (1.0 + 0.01 * (day % 3) as f64));
        history.record(&run).unwrap();
    }
    // The measured one would be no part of the story.
    template.succeeded = false;
    template.factories.clear();
    history.record(&template).unwrap();
    let (drifts, text) = learned().await;
    assert_eq!(drifts.len(), 1, "{drifts:?}");
    assert_eq!((&*drifts[0].factory, drifts[0].from, drifts[0].runs), ("sums", 13, 7));
    assert_eq!(drifts[0].since, "day-13");
    let says = "`sums` takes 3.0 times what was predicted from 13 runs since run day-13, 7 runs ago";
    assert!(text.contains(says), "{text}");
}
