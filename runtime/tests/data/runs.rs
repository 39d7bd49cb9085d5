//! Repositories in runs: what a run saves is visible with its success, and what it loads decides what is resumed.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::scratch::Scratch;
use setl::dataset::Dataset;
use setl::prelude::*;
use setl::storage::Parquet;

#[derive(Row, Clone, Debug, PartialEq)]
struct Flight {
    carrier: String,
    delay: Option<f64>,
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Late {
    carrier: String,
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Seen {
    carrier: String,
}

/// What a test tells the factories, and they it.
#[derive(Clone, Default)]
struct Script {
    fails: bool,
    loads_late: bool,
    computed: Arc<Mutex<Vec<&'static str>>>,
    saved: Arc<AtomicUsize>,
}

impl Script {
    fn computes(&self, factory: &'static str) {
        self.computed.lock().unwrap().push(factory);
    }

    fn take(&self) -> Vec<&'static str> {
        let mut computed = std::mem::take(&mut *self.computed.lock().unwrap());
        computed.sort_unstable();
        computed
    }
}

#[factory(output = Dataset<Flight>, checkpoint)]
struct Delayed {
    #[delivery(auto_load, condition = Flight::DELAY.gt(10.0))]
    flights: Dataset<Flight>,
    #[delivery(shared)]
    script: Arc<Script>,
}

impl Factory for Delayed {
    async fn process(&mut self) -> Result<Dataset<Flight>> {
        self.script.computes("Delayed");
        Ok(self.flights.clone())
    }
}

#[factory(output = Dataset<Late>, checkpoint)]
struct Report {
    #[delivery]
    flights: Dataset<Flight>,
    #[delivery]
    target: Repository<Late>,
    #[delivery(shared)]
    script: Arc<Script>,
}

impl Factory for Report {
    async fn process(&mut self) -> Result<Dataset<Late>> {
        self.script.computes("Report");
        Dataset::new(self.flights.lazy())
    }

    async fn write(&mut self, late: &Dataset<Late>) -> Result<()> {
        self.script.saved.fetch_add(self.target.save(late).await?, Ordering::SeqCst);
        Ok(())
    }
}

#[factory]
async fn log(
    late: Dataset<Late>,
    target: Repository<Seen>,
    report: Repository<Late>,
    #[delivery(shared)] script: Arc<Script>,
) -> Result<u32> {
    script.computes("log");
    target.save(&Dataset::new(late.lazy())?).await?;
    if script.loads_late {
        report.load()?;
    }
    if script.fails {
        return Err(setl::Error::msg("told to fail"));
    }
    Ok(1)
}

#[pipeline(extract(Delayed), load(Report, log))]
struct Delays {
    flights: Repository<Flight>,
    late: Repository<Late>,
    seen: Repository<Seen>,
    #[delivery(opaque)]
    script: Script,
}

struct Office {
    scratch: Scratch,
    script: Script,
}

impl Office {
    fn new() -> Self {
        let this = Self { scratch: Scratch::new(), script: Script::default() };
        this.write("carrier,delay\nUA,20\nDL,1\n");
        this
    }

    fn write(&self, flights: &str) {
        fs::write(self.scratch.path("flights.csv"), flights).unwrap();
    }

    fn run(&self) -> setl::RunBuilder<Delays> {
        let delays = Delays {
            flights: Csv::open(self.scratch.path("flights.csv")).unwrap(),
            late: Parquet::create(self.scratch.path("late.parquet")).unwrap(),
            seen: Csv::at(self.scratch.path("seen.csv")).create::<Seen>().unwrap().append(),
            script: self.script.clone(),
        };
        delays.run().state_dir(self.scratch.path("state"))
    }

    fn late(&self) -> Option<Vec<String>> {
        let late: Repository<Late> = Parquet::open(self.scratch.path("late.parquet")).ok()?;
        let rows = late.load().unwrap().to_rows_blocking().unwrap();
        Some(rows.into_iter().map(|late| late.carrier).collect())
    }

    fn seen(&self) -> Option<String> {
        fs::read_to_string(self.scratch.path("seen.csv")).ok()
    }

    /// Nothing is there but what a user has put there, or a run has committed.
    fn assert_tidy(&self) {
        let names = self.scratch.names();
        assert!(!names.iter().any(|name| name.contains(".setl-")), "{names:?}");
    }
}

#[tokio::test]
async fn what_a_run_saves_is_visible_with_its_success() {
    let mut office = Office::new();
    office.script.fails = true;
    let error = office.run().await.unwrap_err();
    assert_eq!(error.failures()[0].factory, "log");
    assert_eq!(office.script.saved.load(Ordering::SeqCst), 1, "it was staged");
    assert_eq!((office.late(), office.seen()), (None, None));

    office.script.fails = false;
    let run = office.run().await.unwrap();
    assert_eq!(run.report().committed().len(), 2, "{run}");
    assert_eq!(office.late().unwrap(), ["UA"]);
    assert_eq!(office.seen().unwrap(), "carrier\nUA\n");
    office.run().await.unwrap();
    assert_eq!(office.seen().unwrap(), "carrier\nUA\nUA\n");
    office.assert_tidy();
}

#[tokio::test]
async fn a_dry_run_writes_nothing_wherever_it_is_saved() {
    let office = Office::new();
    office.run().no_write().await.unwrap();
    assert_eq!((office.late(), office.seen()), (None, None));
    office.assert_tidy();
}

#[tokio::test]
async fn what_this_run_has_saved_cannot_be_loaded() {
    let mut office = Office::new();
    office.run().await.unwrap();
    office.script.loads_late = true;
    let error = setl::Error::from(office.run().await.unwrap_err());
    let text = format!("{error:#}");
    assert!(text.contains("late.parquet has been saved to by this run"), "{text}");
    assert!(text.contains("take the output of the factory that saves it as a delivery"), "{text}");
}

#[tokio::test]
async fn a_resumed_run_takes_datasets_and_writes_from_the_one_that_failed() {
    let mut office = Office::new();
    office.script.fails = true;
    office.run().await.unwrap_err();
    assert_eq!(office.script.take(), ["Delayed", "Report", "log"]);

    office.script.fails = false;
    let run = office.run().resume().await.unwrap();
    assert_eq!(office.script.take(), ["log"], "{run}");
    assert_eq!(office.late().unwrap(), ["UA"]);
    assert_eq!(office.seen().unwrap(), "carrier\nUA\n");
    office.assert_tidy();

    office.run().resume().await.unwrap();
    assert_eq!(office.script.take(), ["Delayed", "Report", "log"], "nothing is kept of a run that succeeded");
}

#[tokio::test]
async fn a_file_that_has_changed_is_read_again() {
    let mut office = Office::new();
    office.script.fails = true;
    office.run().await.unwrap_err();
    office.script.take();

    office.script.fails = false;
    office.write("carrier,delay\nUA,20\nDL,11\n");
    let run = office.run().resume().await.unwrap();
    assert_eq!(office.script.take(), ["Delayed", "Report", "log"]);
    let note = run.entry("Delayed").unwrap().note.clone().unwrap();
    assert!(note.contains("flights.csv has changed"), "{note}");
    assert_eq!(office.late().unwrap(), ["UA", "DL"]);
    assert_eq!(office.seen().unwrap(), "carrier\nUA\nDL\n");
    office.assert_tidy();
}

#[factory(output = Dataset<Seen>, checkpoint)]
struct Append {
    #[delivery]
    target: Repository<Seen>,
}

impl Factory for Append {
    async fn process(&mut self) -> Result<Dataset<Seen>> {
        Dataset::from_rows(&[Seen { carrier: "UA".into() }])
    }

    async fn write(&mut self, seen: &Dataset<Seen>) -> Result<()> {
        self.target.save(seen).await?;
        Ok(())
    }
}

#[factory]
fn send(_seen: Dataset<Seen>, #[delivery(shared)] script: Arc<Script>) -> Result<u32> {
    if script.fails { Err(setl::Error::msg("told to fail")) } else { Ok(1) }
}

#[pipeline(load(Append, send))]
struct Appended {
    target: Repository<Seen>,
    #[delivery(opaque)]
    script: Script,
}

#[tokio::test]
async fn a_target_that_somebody_has_appended_to_is_appended_to_anew() {
    let scratch = Scratch::new();
    let path = scratch.file("seen.csv", "carrier\nDL\n");
    let run = |fails| {
        let target = Csv::open(&path).unwrap().append();
        let script = Script { fails, ..Script::default() };
        Appended { target, script }.run().state_dir(scratch.path("state"))
    };
    run(true).await.unwrap_err();
    fs::write(&path, "carrier\nDL\nXX\n").unwrap();
    let run = run(false).resume().await.unwrap();
    let resolved = fs::canonicalize(&path).unwrap();
    assert_eq!(
        run.entry("Append").unwrap().note.as_deref(),
        Some(&*format!(
            "its checkpoint was not used: {} has been changed by somebody else since the rows for it were made",
            resolved.display()
        ))
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "carrier\nDL\nXX\nUA\n");
}
