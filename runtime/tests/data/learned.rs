//! What is recorded of runs, and what is found out before the next.

use setl::optimize::{History, Learning, Optimizer, RunRecord};
use setl::polars::prelude::*;
use setl::prelude::*;
use setl::run::Run;
use setl::storage::{Csv, Parquet};

use super::scratch::Scratch;

#[derive(Row, Clone, Debug)]
struct Flight {
    carrier: String,
    delay: f64,
}

#[derive(Row, Clone, Debug)]
struct Delay {
    carrier: String,
    delay: f64,
}

#[factory]
fn late(#[delivery(auto_load)] flights: Dataset<Flight>) -> Result<Dataset<Flight>> {
    flights.filter(Flight::DELAY.gt(15.0)).materialize_blocking()
}

struct Mean;
struct Worst;

/// It scans a file that no repository knows of.
#[factory(id = Mean)]
async fn mean(late: Dataset<Flight>, rates: Rates) -> Result<f64> {
    let rates = LazyFrame::scan_parquet(PlRefPath::new(&rates.0), ScanArgsParquet::default())?;
    let joined = late.lazy().join(rates, [col("carrier")], [col("carrier")], JoinArgs::default());
    let mean = setl::collect(joined.select([(col("delay") * col("rate")).mean()])).await?;
    Ok(mean.column("delay")?.f64()?.get(0).unwrap_or_default())
}

#[factory(id = Worst)]
async fn worst(late: Dataset<Flight>, target: Repository<Delay>) -> Result<u64> {
    let worst = late.lazy().group_by([Flight::CARRIER.col()]).agg([Flight::DELAY.col().max()]);
    Ok(target.save(&Dataset::new(worst)?).await? as u64)
}

#[derive(Clone)]
struct Rates(String);

#[pipeline(extract(late), transform(mean, worst))]
struct Delays {
    flights: Repository<Flight>,
    rates: Rates,
    target: Repository<Delay>,
}

struct Files(Scratch);

impl Files {
    fn new() -> Self {
        let files = Self(Scratch::new());
        let mut rates = df!("carrier" => ["UA", "DL"], "rate" => [1.0, 2.0]).unwrap();
        let file = std::fs::File::create(files.0.path("rates.parquet")).unwrap();
        ParquetWriter::new(file).finish(&mut rates).unwrap();
        files
    }

    /// So many flights, of which half are late.
    async fn run(&self, flights: usize, optimizer: Optimizer) -> Run<Delays> {
        let lines = (0..flights).map(|at| format!("{},{}\n", ["UA", "DL"][at / 2 % 2], 30 * (at % 2)));
        let path = self.0.file("flights.csv", &format!("carrier,delay\n{}", lines.collect::<String>()));
        let pipeline = Delays {
            flights: Csv::open(path).unwrap(),
            rates: Rates(self.0.path("rates.parquet").to_str().unwrap().to_owned()),
            target: Parquet::create(self.0.path("worst.parquet")).unwrap(),
        };
        let learning = Learning::new().at(self.0.path("history.sqlite"));
        pipeline.run().learn(learning).optimizer(optimizer).await.unwrap()
    }

    fn bytes(&self, name: &str) -> u64 {
        std::fs::metadata(self.0.path(name)).unwrap().len()
    }

    fn last(&self) -> RunRecord {
        History::open(self.0.path("history.sqlite")).unwrap().runs("Delays", 1).unwrap().remove(0)
    }
}

#[tokio::test]
async fn what_is_read_and_delivered_is_recorded() {
    let files = Files::new();
    files.run(1000, Optimizer::new()).await;
    let run = files.last();
    let [late, mean, worst] = &run.factories[..] else { panic!("{run:?}") };
    let names = |of: &setl::optimize::FactoryRecord| -> Vec<String> {
        of.files.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(late), ["flights.csv"], "by its repository, and by its query");
    assert_eq!((late.bytes_in, late.rows_out), (Some(files.bytes("flights.csv")), Some(500)));
    let delivered = late.bytes_out.unwrap();
    assert!((500 * 8..500 * 40).contains(&delivered), "{delivered} bytes of 500 rows in memory");
    assert_eq!(names(mean), ["rates.parquet"]);
    assert_eq!(mean.bytes_in, Some(delivered + files.bytes("rates.parquet")));
    assert_eq!(worst.bytes_in, Some(delivered), "all that has a size");
    assert!(names(worst).is_empty());
    assert!(run.cpu.is_some() || !cfg!(target_os = "linux"));
}

#[tokio::test]
async fn queries_of_several_factories_are_recorded_as_one_batch() {
    let files = Files::new();
    let report = files.run(1000, Optimizer::new()).await.report().clone();
    let run = files.last();
    let [late, mean, worst] = &run.factories[..] else { panic!("{run:?}") };
    assert_eq!(run.batches.len(), 1, "{run:?}");
    let mut factories = run.batches[0].factories.clone();
    factories.sort();
    assert_eq!(factories, ["mean", "worst"]);
    for factory in [mean, worst] {
        assert!(factory.waited >= factory.queries, "{run:?}");
        assert!(factory.queries <= run.batches[0].wall && factory.wall >= factory.waited, "{run:?}");
    }
    let longest = mean.waited.max(worst.waited);
    assert!(longest * 2 >= run.batches[0].wall, "one has its answer last: {run:?}");
    assert!(late.waited.is_zero(), "what it waited for was its own query: {run:?}");
    let batch = report.queries().iter().find(|batch| batch.factories.len() == 2).unwrap();
    assert_eq!(batch.wall, run.batches[0].wall);

    files.run(1000, Optimizer::off()).await;
    let run = files.last();
    assert!(run.batches.is_empty() && run.factories.iter().all(|one| one.waited.is_zero()), "{run:?}");
    assert_eq!(run.factories[1].files.len(), 1, "also where no queries are gathered");
}

#[tokio::test]
async fn the_next_run_is_predicted_from_the_sizes_that_files_have_by_then() {
    let files = Files::new();
    for flights in [1000, 2000, 4000] {
        files.run(flights, Optimizer::new()).await;
    }
    let run = files.run(16_000, Optimizer::new()).await;
    let predicted = run.learned().unwrap().prediction.clone().unwrap();
    let bytes = files.bytes("flights.csv") as f64;
    assert_eq!(predicted.factories[0].bytes_in, Some(bytes));
    let delivered = predicted.factories[0].bytes_out.unwrap();
    let was = files.last().factories[0].bytes_out.unwrap() as f64;
    assert!((delivered.median / was - 1.0).abs() < 0.2, "{delivered:?}, {was}");
    let taken = delivered.median + files.bytes("rates.parquet") as f64;
    assert!((predicted.factories[1].bytes_in.unwrap() / taken - 1.0).abs() < 1e-9);
    assert_eq!(predicted.batches.len(), 1, "{predicted}");
    let record = files.last();
    assert_eq!(record.factories[0].predicted, Some(predicted.factories[0].wall.interval()));

    // What is not there any more tells nothing.
    std::fs::remove_file(files.0.path("flights.csv")).unwrap();
    let history = History::open(files.0.path("history.sqlite")).unwrap();
    let predictor = setl::optimize::Predictor::new(&history, "Delays").unwrap();
    let sizes = predictor.present_sizes(setl::optimize::Sizes::new());
    assert_eq!(predictor.predict(Delays::plan(), &sizes, 2).factories[0].bytes_in, None);
}
