//! Datasets in the cache: a query is run once, and what it gave is taken by later runs.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::scratch::Scratch;
use setl::dataset::Dataset;
use setl::polars::prelude::{Column, IntoLazy as _, col, lit};
use setl::prelude::*;
use setl::run::Status;

#[derive(Row, Clone, Debug, PartialEq)]
struct Flight {
    carrier: String,
    delay: Option<f64>,
}

/// How often a query was run.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

/// Gives a query that has not been run.
#[factory(cache)]
fn late(flights: Repository<Flight>, counter: Counter) -> Result<Dataset<Flight>> {
    let counted = move |column: Column| {
        counter.0.fetch_add(1, Ordering::SeqCst);
        Ok(column)
    };
    let delay = col("delay").map(counted, |_, field| Ok(field.clone()));
    Dataset::new(flights.load()?.lazy().with_column(delay).filter(col("delay").gt(lit(10.0))))
}

#[factory]
async fn carriers(late: Dataset<Flight>) -> Result<Vec<String>> {
    Ok(late.to_rows().await?.into_iter().map(|flight| flight.carrier).collect())
}

#[factory]
async fn delays(late: Dataset<Flight>) -> Result<Vec<f64>> {
    Ok(late.to_rows().await?.into_iter().filter_map(|flight| flight.delay).collect())
}

#[pipeline(extract(late), transform(carriers, delays))]
struct Delays {
    flights: Repository<Flight>,
    #[delivery(opaque)]
    counter: Counter,
}

fn run(scratch: &Scratch, counter: &Counter) -> setl::RunBuilder<Delays> {
    let flights = Csv::open(scratch.path("flights.csv")).unwrap();
    Delays { flights, counter: counter.clone() }.run().state_dir(scratch.path("state"))
}

#[tokio::test]
async fn a_query_is_run_once_for_many_runs() {
    let scratch = Scratch::new();
    scratch.file("flights.csv", "carrier,delay\nUA,20\nDL,1\nAA,30\n");
    let counter = Counter::default();
    for hits in 0..3 {
        let run = run(&scratch, &counter).await.unwrap();
        assert_eq!(run.get::<carriers>(), &["UA", "AA"]);
        assert_eq!(run.get::<delays>(), &[20.0, 30.0]);
        // Two take it, and it is kept: it was run for that only.
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
        let entry = run.entry("late").unwrap();
        let status = if hits == 0 { Status::Succeeded } else { Status::Cached };
        assert_eq!(entry.status, status);
    }
    let kept = setl::cache::list(scratch.path("state")).unwrap();
    assert_eq!((kept.len(), kept[0].hits), (1, 2));
    assert!(kept[0].path.join("payload/frame.parquet").exists());
}

#[tokio::test]
async fn what_is_taken_does_not_need_the_cache_any_more() {
    let scratch = Scratch::new();
    scratch.file("flights.csv", "carrier,delay\nUA,20\n");
    let counter = Counter::default();
    run(&scratch, &counter).await.unwrap();
    let state = scratch.path("state");
    let runner = run(&scratch, &counter).observe(move |event| {
        if let setl::Event::Cached { .. } = event {
            assert_eq!(setl::cache::clear(&state).unwrap().len(), 1);
        }
    });
    assert_eq!(runner.await.unwrap().get::<carriers>(), &["UA"]);
    assert!(setl::cache::list(scratch.path("state")).unwrap().is_empty());
}

#[tokio::test]
async fn another_file_is_another_dataset_and_the_old_one_is_still_there() {
    let scratch = Scratch::new();
    let counter = Counter::default();
    let files = ["carrier,delay\nUA,20\n", "carrier,delay\nDL,30\n"];
    for (content, carrier, queries) in [(0, "UA", 1), (1, "DL", 2), (0, "UA", 2), (1, "DL", 2)] {
        fs::write(scratch.path("flights.csv"), files[content]).unwrap();
        let run = run(&scratch, &counter).await.unwrap();
        assert_eq!(run.get::<carriers>(), &[carrier]);
        assert_eq!(counter.0.load(Ordering::SeqCst), queries);
    }
}

/// Saves at once, which no run undoes.
#[factory]
async fn publish(flights: Repository<Flight>, target: Repository<Published>) -> Result<u32> {
    let rows = flights.load()?.to_rows().await?;
    let published = rows.into_iter().map(|flight| Published { carrier: flight.carrier }).collect::<Vec<_>>();
    target.save_now(&Dataset::from_rows(&published)?).await?;
    Ok(1)
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Published {
    carrier: String,
}

#[factory(cache)]
fn after(publish: u32) -> u64 {
    u64::from(publish)
}

#[pipeline(extract(publish), load(after))]
struct Publishing {
    flights: Repository<Flight>,
    target: Repository<Published>,
}

#[tokio::test]
async fn what_saves_at_once_does_so_in_every_run() {
    let scratch = Scratch::new();
    scratch.file("flights.csv", "carrier,delay\nUA,20\n");
    for times in 1..4 {
        let publishing = Publishing {
            flights: Csv::open(scratch.path("flights.csv")).unwrap(),
            target: Csv::at(scratch.path("published.csv")).create::<Published>().unwrap().append(),
        };
        let run = publishing.run().state_dir(scratch.path("state")).await.unwrap();
        let published = fs::read_to_string(scratch.path("published.csv")).unwrap();
        assert_eq!(published, format!("carrier\n{}", "UA\n".repeat(times)), "{run}");
        let status = if times == 1 { Status::Succeeded } else { Status::Cached };
        assert_eq!(run.entry("after").unwrap().status, status);
    }
}

/// Gives what is loaded, by the options of the repository.
#[factory(cache)]
async fn loaded(source: Repository<Flight>) -> Result<Dataset<Flight>> {
    source.load()
}

#[pipeline(only(loaded))]
struct Loading {
    source: Repository<Flight>,
}

/// Whether the output of an earlier run was taken.
async fn is_taken(scratch: &Scratch, source: Repository<Flight>) -> bool {
    let run = Loading { source }.run().state_dir(scratch.path("state")).await.unwrap();
    run.entry("loaded").unwrap().status == Status::Cached
}

#[tokio::test]
async fn every_option_of_a_connector_counts() {
    let scratch = Scratch::new();
    let csv = scratch.file("flights.csv", "carrier,delay\nUA,20\n");
    let files = || Csv::at(&csv);
    let options: [(&str, Repository<Flight>); 9] = [
        ("none", files().open().unwrap()),
        ("null_values", files().null_values(["NA"]).open().unwrap()),
        ("other null_values", files().null_values(["XX"]).open().unwrap()),
        ("comment", files().comment("#").open().unwrap()),
        ("quote", files().quote(None).open().unwrap()),
        ("other quote", files().quote(b'\'').open().unwrap()),
        ("empty_as_null", files().empty_as_null(false).open().unwrap()),
        ("date_format", files().date_format("%d.%m.%Y").open().unwrap()),
        ("datetime_format", files().datetime_format("%d.%m.%Y %H:%M").open().unwrap()),
    ];
    for (option, source) in &options {
        assert!(!is_taken(&scratch, source.clone()).await, "{option}");
    }
    for (option, source) in &options {
        assert!(is_taken(&scratch, source.clone()).await, "{option}");
    }
    assert!(!is_taken(&scratch, files().time_format("%H.%M").open().unwrap()).await);
    assert!(!is_taken(&scratch, files().open::<Flight>().unwrap().append()).await, "the mode");
    let semicolons = scratch.file("other.csv", "carrier;delay\nUA;20\n");
    assert!(!is_taken(&scratch, Csv::at(&semicolons).separator(b';').open().unwrap()).await);
    let bare = scratch.file("bare.csv", "UA,20\n");
    assert!(!is_taken(&scratch, Csv::at(&bare).header(false).open().unwrap()).await);

    let parquet = scratch.path("flights.parquet");
    let rows = [Flight { carrier: "UA".to_owned(), delay: None }];
    let saved = Parquet::at(&parquet).create::<Flight>().unwrap();
    saved.save(&Dataset::from_rows(&rows).unwrap()).await.unwrap();
    for hits in [false, true] {
        assert_eq!(is_taken(&scratch, Parquet::at(&parquet).open().unwrap()).await, hits);
        assert_eq!(is_taken(&scratch, Parquet::at(&parquet).cast().open().unwrap()).await, hits);
    }
    let directory = scratch.path("flights");
    for hits in [false, true] {
        let parts = || Ndjson::at(&directory).directory().create::<Flight>().unwrap();
        if !hits {
            parts().save(&Dataset::from_rows(&rows).unwrap()).await.unwrap();
        }
        assert_eq!(is_taken(&scratch, parts()).await, hits);
    }
}

#[tokio::test]
async fn the_same_name_elsewhere_is_another_place() {
    let scratch = Scratch::new();
    let there = |directory: &str, content: &str| {
        fs::create_dir(scratch.path(directory)).unwrap();
        scratch.file(&format!("{directory}/flights.csv"), content)
    };
    let (one, other) = (there("one", "carrier,delay\nUA,20\n"), there("other", "carrier,delay\nUA,20\n"));
    for hits in [false, true] {
        for place in [&one, &other] {
            assert_eq!(is_taken(&scratch, Csv::open(place).unwrap()).await, hits);
        }
    }
}

/// A file of carriers, read by a program's own connector.
#[derive(Debug)]
struct Lines {
    path: std::path::PathBuf,
    skipped: usize,
    says_its_options: bool,
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lines of {}", self.path.display())
    }
}

impl setl::storage::Connector for Lines {
    fn scan(&self, _: &setl::storage::ScanRequest<'_>) -> Result<setl::polars::prelude::LazyFrame> {
        let text = fs::read_to_string(&self.path)?;
        let rows =
            text.lines().skip(self.skipped).map(|line| Flight { carrier: line.to_owned(), delay: None });
        Ok(Flight::to_frame(&rows.collect::<Vec<_>>())?.lazy())
    }

    fn stage(
        &self,
        _: setl::polars::prelude::LazyFrame,
        _: &setl::storage::StageRequest<'_>,
    ) -> Result<Box<dyn setl::storage::StagedWrite>> {
        Err(setl::Error::msg("read only"))
    }

    fn path(&self) -> Option<&std::path::Path> {
        Some(&self.path)
    }

    fn options(&self) -> Option<String> {
        self.says_its_options.then(|| format!("{self:?}"))
    }
}

#[tokio::test]
async fn a_connector_that_does_not_say_its_options_is_read_again() {
    let scratch = Scratch::new();
    let path = scratch.file("carriers.txt", "UA\nDL\n");
    let lines =
        |skipped, says_its_options| Repository::new(Lines { path: path.clone(), skipped, says_its_options });
    for _ in 0..3 {
        assert!(!is_taken(&scratch, lines(0, false)).await);
    }
    for hits in [false, true] {
        assert_eq!(is_taken(&scratch, lines(0, true)).await, hits);
        assert_eq!(is_taken(&scratch, lines(1, true)).await, hits);
    }
}

/// Looks for a file before it reads it.
#[factory(cache)]
async fn seen(flights: Repository<Flight>) -> Result<u64> {
    Ok(if flights.exists()? { 1 } else { 0 })
}

/// The same with a repository of its own, which it cannot open where there is no file.
#[factory(cache)]
async fn opened(place: Place) -> Result<u32> {
    Ok(Csv::open::<Flight>(place.0).is_ok().into())
}

/// In a task of its own.
#[factory(cache)]
async fn asked(flights: Repository<Flight>) -> Result<bool> {
    tokio::spawn(async move { flights.exists() }).await?
}

#[derive(Clone, serde::Serialize)]
struct Place(std::path::PathBuf);

#[pipeline(only(seen, opened, asked))]
struct Looking {
    flights: Repository<Flight>,
    place: Place,
}

#[tokio::test]
async fn whether_a_file_is_there_counts_although_it_is_not_read() {
    let scratch = Scratch::new();
    let path = scratch.path("flights.csv");
    let look = async |hits: u32| {
        let looking = Looking { flights: Csv::create(&path).unwrap(), place: Place(path.clone()) };
        let run = looking.run().state_dir(scratch.path("state")).await.unwrap();
        for of in run.report().cache() {
            assert_eq!(of.hits, hits, "{}", of.factory);
        }
        (*run.get::<seen>(), *run.get::<opened>(), *run.get::<asked>())
    };
    assert_eq!(look(0).await, (0, 0, false));
    assert_eq!(look(1).await, (0, 0, false));
    scratch.file("flights.csv", "carrier,delay\nUA,20\n");
    assert_eq!(look(0).await, (1, 1, true));
    assert_eq!(look(1).await, (1, 1, true));
    fs::remove_file(&path).unwrap();
    assert_eq!(look(1).await, (0, 0, false));
}

/// What Polars has in a frame, beyond what a row can hold.
#[factory(cache, id = Kept)]
fn kept(frame: setl::polars::prelude::DataFrame) -> setl::polars::prelude::DataFrame {
    frame
}

struct Kept;

#[pipeline(only(kept))]
struct Keeps {
    frame: setl::polars::prelude::DataFrame,
}

#[tokio::test]
async fn frames_of_every_dtype_are_taken_from_the_cache() {
    use setl::polars::prelude::*;
    let numbers = || col("number");
    let berlin = TimeZone::opt_try_new(Some("Europe/Berlin")).unwrap();
    let listed = FrozenCategories::new(["-5", "1", "9"]).unwrap();
    let mut exprs: Vec<Expr> = [
        DataType::Int8,
        DataType::Int128,
        DataType::Float16,
        DataType::Float32,
        DataType::Decimal(38, 10),
        DataType::Date,
        DataType::Datetime(TimeUnit::Milliseconds, None),
        DataType::Datetime(TimeUnit::Nanoseconds, berlin),
        DataType::Duration(TimeUnit::Milliseconds),
        DataType::Duration(TimeUnit::Nanoseconds),
        DataType::Boolean,
    ]
    .into_iter()
    .map(|dtype| numbers().cast(dtype.clone()).alias(format!("{dtype:?}")))
    .collect();
    let texts = || numbers().cast(DataType::String);
    exprs.extend([
        texts().cast(DataType::Binary).alias("binary"),
        texts().cast(DataType::from_categories(Categories::global())).alias("categories"),
        texts().cast(DataType::from_frozen_categories(listed)).alias("enum"),
        numbers().abs().cast(DataType::UInt128).alias("unsigned"),
        numbers().abs().cast(DataType::Time).alias("time"),
        as_struct(vec![numbers(), texts().alias("text")]).alias("struct"),
        lit(NULL).alias("null"),
        (numbers() / lit(0.0)).alias("infinite"),
        (numbers() * lit(-0.0)).alias("^zero.*$"),
    ]);
    let frame = df!("number" => [Some(1_i64), None, Some(-5)]).unwrap().lazy().select(exprs);
    let frame = setl::collect(frame).await.unwrap();
    let lists = frame.clone().lazy().select([all().as_expr().implode(true)]);
    let lists = setl::collect(lists).await.unwrap();
    for frame in [frame.clone(), lists, frame.head(Some(0)), DataFrame::empty()] {
        let scratch = Scratch::new();
        for status in [Status::Succeeded, Status::Cached] {
            let run = Keeps { frame: frame.clone() }.run().state_dir(scratch.path("state")).await.unwrap();
            assert_eq!(run.entry("kept").unwrap().status, status);
            let kept = run.get::<kept>();
            assert!(kept.schema() == frame.schema() && kept.equals_missing(&frame), "{kept} {frame}");
        }
    }
}
