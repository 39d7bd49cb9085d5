//! What is said of files that are not as declared, and what a write leaves behind.

use crate::scratch::Scratch;
use chrono::{NaiveDate, NaiveDateTime};
use polars::prelude::*;
use setl::Row;
use setl::dataset::{Condition, DataError, Dataset};
use setl::delivery::{AutoLoad, Inspect};
use setl::storage::{Csv, Memory, Ndjson, Parquet, Repository};

#[derive(Row, Clone, Debug, PartialEq)]
struct Flight {
    carrier: String,
    #[column("dep_delay")]
    delay: Option<f64>,
}

fn flight(carrier: &str, delay: impl Into<Option<f64>>) -> Flight {
    Flight { carrier: carrier.into(), delay: delay.into() }
}

fn flights() -> Vec<Flight> {
    vec![flight("UA", 20.0), flight("DL", None), flight("AA", -3.0)]
}

fn dataset() -> Dataset<Flight> {
    Dataset::from_rows(&flights()).unwrap()
}

/// Checks that the error, with its causes, says all of `parts`.
fn check_says(error: impl Into<setl::Error>, parts: &[&str]) {
    let message = format!("{:#}", error.into());
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn every_format(scratch: &Scratch) -> Vec<Repository<Flight>> {
    vec![
        Csv::create(scratch.path("flights.csv")).unwrap(),
        Ndjson::create(scratch.path("flights.jsonl")).unwrap(),
        Parquet::create(scratch.path("flights.parquet")).unwrap(),
    ]
}

#[test]
fn a_file_that_must_exist() {
    let scratch = Scratch::new();
    scratch.file("flights.csv", "");
    check_says(
        Csv::open::<Flight>(scratch.path("flight.csv")).unwrap_err(),
        &["CSV file", "flight.csv does not exist", "did you mean `flights.csv`?"],
    );
    check_says(
        Parquet::open::<Flight>(scratch.path("no/x.parquet")).unwrap_err(),
        &["there is no directory"],
    );
    // A relative path says where it begins.
    let (here, relative) = (std::env::current_dir().unwrap(), "no-such-file.csv");
    let error = Csv::open::<Flight>(relative).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("CSV file {relative} does not exist in {}", here.display())),
        "{error}"
    );
    let error = Csv::open::<Flight>(scratch.path("f.csv")).unwrap_err().to_string();
    assert!(!error.contains("does not exist in"), "{error}");
    check_says(Ndjson::open::<Flight>(scratch.root()).unwrap_err(), &["it is a directory"]);
    for repository in every_format(&Scratch::new()) {
        check_says(repository.load().unwrap_err(), &["does not exist"]);
    }
}

#[test]
fn a_directory_is_made_for_a_file_to_write() {
    let scratch = Scratch::new();
    let repository = Csv::create(scratch.path("a/b/flights.csv")).unwrap();
    assert_eq!(repository.save_blocking(&dataset()).unwrap(), 3);
    let in_the_way = scratch.file("file", "");
    let error = Csv::create::<Flight>(in_the_way.join("flights.csv")).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }));
    check_says(error, &["cannot create the directory", ": it is a file"]);
    let below = Csv::create::<Flight>(in_the_way.join("a/flights.csv")).unwrap_err();
    check_says(below, &[&format!("{} is a file", in_the_way.display())]);
}

#[test]
fn csv_columns_are_found_by_name() {
    let scratch = Scratch::new();
    let file = scratch.file("f.csv", "gate,dep_delay,x,carrier\n1,20,,UA\nB,,,DL\n3,-3,y,AA\n");
    let rows = Csv::open::<Flight>(file).unwrap().load().unwrap().to_rows_blocking().unwrap();
    assert_eq!(rows, flights());
    let marked = scratch.file("bom.csv", "\u{feff}carrier,dep_delay\r\nUA,20\r\nDL,\r\nAA,-3\r\n");
    let rows = Csv::open::<Flight>(marked).unwrap().load().unwrap().to_rows_blocking().unwrap();
    assert_eq!(rows, flights());
}

#[test]
fn csv_files_that_are_not_as_declared() {
    let scratch = Scratch::new();
    let load = |name: &str, content: &str| Csv::open::<Flight>(scratch.file(name, content)).unwrap().load();
    check_says(
        load("typo.csv", "carier,delay\nUA,1\n").unwrap_err(),
        &[
            "`Flight` from CSV file",
            "typo.csv",
            "2 columns differ",
            "column `carrier`",
            "did you mean `carier`?",
            "`dep_delay`",
        ],
    );
    check_says(load("empty.csv", "").unwrap_err(), &["empty.csv cannot be read: it is empty"]);
    let dataset = load("text.csv", "carrier,dep_delay\nUA,late\n").unwrap();
    check_says(dataset.collect_blocking().unwrap_err(), &["`Flight` from CSV file", "text.csv", "late"]);
    let bare = Csv::at(scratch.file("bare.csv", "UA\n")).header(false).open::<Flight>().unwrap();
    check_says(
        bare.load().unwrap_err(),
        &["line 1: it has 1 field, and the row type has 2", "columns are told by their position"],
    );
}

#[test]
fn csv_options_of_other_programs() {
    let scratch = Scratch::new();
    #[derive(Row, Debug, PartialEq)]
    struct Departure {
        day: NaiveDate,
        at: Option<NaiveDateTime>,
        gate: String,
    }
    let file = scratch.file(
        "d.csv",
        "# made by hand\nday;at;gate\n31/01/2013;2013-01-31T10:00:00+01:00;\n01/02/2013;NA;B\n",
    );
    let repository =
        Csv::at(file).separator(b';').comment("#").null_values(["NA", "-"]).date_format("%d/%m/%Y");
    let rows = repository
        .empty_as_null(false)
        .open::<Departure>()
        .unwrap()
        .load()
        .unwrap()
        .to_rows_blocking()
        .unwrap();
    let day = NaiveDate::from_ymd_opt(2013, 1, 31).unwrap();
    assert_eq!(rows[0], Departure { day, at: day.and_hms_opt(9, 0, 0), gate: String::new() });
    assert_eq!((rows[1].at, rows[1].gate.as_str()), (None, "B"));

    let wrong = scratch.file("w.csv", "day,at,gate\n2013-02-31,,B\n");
    let wrong = Csv::open::<Departure>(wrong).unwrap().load().unwrap();
    check_says(wrong.collect_blocking().unwrap_err(), &["column `day`: `2013-02-31` is not a date"]);
}

#[test]
fn ndjson_files_that_are_not_as_declared() {
    let scratch = Scratch::new();
    let load =
        |name: &str, content: &str| Ndjson::open::<Flight>(scratch.file(name, content)).unwrap().load();
    check_says(load("typo.jsonl", "\n{\"carier\": \"UA\"}\n").unwrap_err(), &["did you mean `carier`?"]);
    check_says(load("list.jsonl", "[1]\n").unwrap_err(), &["list.jsonl cannot be read", "not a JSON object"]);
    let rows =
        load("more.jsonl", "{\"x\": [1], \"carrier\": \"UA\"}\n{\"dep_delay\": 1, \"carrier\": \"DL\"}\n")
            .unwrap();
    assert_eq!(rows.to_rows_blocking().unwrap(), [flight("UA", None), flight("DL", 1.0)]);
    let text = load("text.jsonl", "{\"carrier\": \"UA\", \"dep_delay\": \"late\"}\n").unwrap();
    check_says(text.collect_blocking().unwrap_err(), &["text.jsonl", "late"]);
    let lacking = load("lacking.jsonl", "{\"carrier\": \"UA\"}\n{}\n").unwrap();
    check_says(
        lacking.collect_blocking().unwrap_err(),
        &["column `carrier` holds 1 null", "declare the field as `Option`"],
    );
}

#[test]
fn parquet_files_that_are_not_as_declared() {
    let scratch = Scratch::new();
    #[derive(Row)]
    struct Other {
        carrier: String,
        dep_delay: i32,
        gate: Option<String>,
    }
    let path = scratch.path("f.parquet");
    let other = Parquet::create::<Other>(&path).unwrap();
    let rows = [Other { carrier: "UA".into(), dep_delay: 20, gate: None }];
    other.save_blocking(&Dataset::from_rows(&rows).unwrap()).unwrap();
    check_says(
        Parquet::open::<Flight>(&path).unwrap().load().unwrap_err(),
        &["column `dep_delay`: expected Float64, found Int32"],
    );
    let cast = Parquet::at(&path).cast().open::<Flight>().unwrap().load().unwrap();
    assert_eq!(cast.to_rows_blocking().unwrap(), [flight("UA", 20.0)]);
    let text = scratch.file("text.parquet", "carrier,dep_delay\n");
    check_says(Parquet::open::<Flight>(text).unwrap().load().unwrap_err(), &["text.parquet cannot be read"]);
}

#[test]
fn later_errors_name_the_factory() {
    let mut dataset = Dataset::<Flight>::new(
        df!("carrier" => [Some("UA"), None], "dep_delay" => [1.0, 2.0]).unwrap().lazy(),
    )
    .unwrap();
    dataset.set_origin("read_flights");
    assert_eq!(Inspect::rows(&dataset), None);
    check_says(
        dataset.collect_blocking().unwrap_err(),
        &["dataset of `Flight` delivered by factory `read_flights`: column `carrier` holds 1 null"],
    );
    let target = Memory::new(&flights()).unwrap();
    check_says(
        target.save_blocking(&dataset).unwrap_err(),
        &["read_flights", "column `carrier` holds 1 null"],
    );
    assert_eq!(target.load().unwrap().to_rows_blocking().unwrap(), flights());
}

#[test]
fn a_condition_reaches_the_scan() {
    let scratch = Scratch::new();
    let late = || Flight::DELAY.gt(15.0) & Flight::CARRIER.neq("AA");
    for repository in every_format(&scratch) {
        repository.save_blocking(&dataset()).unwrap();
        let found = repository.find_by(late()).unwrap();
        let plan = found.lazy().explain(true).unwrap();
        let selection = plan.lines().find(|line| line.contains("SELECTION:"));
        assert!(
            selection.is_some_and(|line| line.contains("dep_delay") && line.contains("carrier")),
            "{plan}"
        );
        assert!(!plan.contains("FILTER"), "{plan}");
        assert_eq!(found.to_rows_blocking().unwrap(), [flight("UA", 20.0)]);
        let loaded = Dataset::auto_load(&repository, Some(Flight::DELAY.is_null())).unwrap();
        assert_eq!(loaded.to_rows_blocking().unwrap(), [flight("DL", None)]);
        let raw = Condition::new(col("carrier").eq(lit("AA")));
        assert_eq!(repository.find_by(raw).unwrap().to_rows_blocking().unwrap().len(), 1);
    }
}

#[test]
fn saving_onto_the_file_that_is_read() {
    let scratch = Scratch::new();
    for repository in every_format(&scratch) {
        repository.save_blocking(&dataset()).unwrap();
        let late = repository.find_by(Flight::DELAY.gt(15.0)).unwrap();
        assert_eq!(repository.save_blocking(&late).unwrap(), 1);
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), [flight("UA", 20.0)]);
        // A query that was opened, and even explained, before the file was replaced sees the new rows.
        assert_eq!(late.to_rows_blocking().unwrap(), [flight("UA", 20.0)]);
    }
    assert_eq!(scratch.names(), ["flights.csv", "flights.jsonl", "flights.parquet"]);
}

#[test]
fn a_query_that_was_opened_before_the_file_is_replaced() {
    let scratch = Scratch::new();
    let many: Vec<_> = (0..50_000).map(|index| flight("UA", f64::from(index))).collect();
    for repository in every_format(&scratch) {
        repository.save_blocking(&Dataset::from_rows(&many).unwrap()).unwrap();
        let opened = repository.load().unwrap();
        opened.lazy().collect_schema().unwrap();
        repository.save_blocking(&dataset()).unwrap();
        assert_eq!(opened.to_rows_blocking().unwrap(), flights(), "{repository}");
    }
}

#[test]
fn a_failure_half_way_leaves_the_old_data_and_nothing_else() {
    let scratch = Scratch::new();
    let failing = df!("carrier" => vec!["UA"; 300_000], "dep_delay" => (0..300_000).map(|i| if i < 299_999 { "1" } else { "late" }).collect::<Vec<_>>()).unwrap();
    let failing = Dataset::<Flight>::cast(failing.lazy()).unwrap();
    for repository in every_format(&scratch) {
        repository.save_blocking(&dataset()).unwrap();
        let names = scratch.names();
        check_says(
            repository.save_blocking(&failing).unwrap_err(),
            &["cannot save dataset of `Flight` to", "late"],
        );
        assert_eq!(scratch.names(), names);
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), flights());
    }
}

#[test]
fn a_staged_write_is_aside_until_it_is_committed() {
    let scratch = Scratch::new();
    for repository in every_format(&scratch) {
        repository.save_blocking(&dataset()).unwrap();
        let names = scratch.names();
        let one = Dataset::from_rows(&[flight("B6", 1.0)]).unwrap();

        let staged = repository.stage_blocking(&one).unwrap();
        let file = staged.place().rsplit('/').next().unwrap().to_owned();
        let hidden: Vec<_> = scratch.names().into_iter().filter(|name| name.ends_with(".setl-tmp")).collect();
        assert!(hidden.len() == 1 && hidden[0].starts_with(&format!(".{file}.")), "{hidden:?}");
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), flights());
        staged.rollback().unwrap();
        assert_eq!(scratch.names(), names);

        drop(repository.stage_blocking(&one).unwrap());
        assert_eq!(scratch.names(), names);

        assert_eq!(repository.stage_blocking(&one).unwrap().commit().unwrap(), 1);
        assert_eq!(scratch.names(), names);
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap().len(), 1);
    }
}

#[test]
fn a_directory_that_is_gone() {
    let scratch = Scratch::new();
    let repositories = every_format(&Scratch::new());
    for repository in repositories {
        check_says(
            repository.save_blocking(&dataset()).unwrap_err(),
            &["cannot save", "No such file or directory"],
        );
    }
    assert_eq!(scratch.names(), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_permissions_and_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let scratch = Scratch::new();
    let real = scratch.path("real.csv");
    let link = scratch.path("link.csv");
    Csv::create(&real).unwrap().save_blocking(&dataset()).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&real, &link).unwrap();
    Csv::create(&link).unwrap().save_blocking(&Dataset::from_rows(&[flight("B6", 1.0)]).unwrap()).unwrap();
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Csv::open::<Flight>(&real).unwrap().load().unwrap().to_rows_blocking().unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file() {
    let scratch = Scratch::new();
    let link = scratch.path("link.csv");
    std::os::unix::fs::symlink(scratch.path("gone.csv"), &link).unwrap();
    check_says(
        Csv::open::<Flight>(&link).unwrap_err(),
        &["it is a link to", "gone.csv", "which is not there"],
    );
    let pipe = scratch.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    check_says(Csv::open::<Flight>(&pipe).unwrap_err(), &["it is not a regular file"]);
}

#[tokio::test]
async fn everything_asynchronously() {
    let scratch = Scratch::new();
    let repository = Parquet::create(scratch.path("flights.parquet")).unwrap();
    assert_eq!(repository.save(&dataset()).await.unwrap(), 3);
    let loaded = repository.load().unwrap();
    assert_eq!(loaded.collect().await.unwrap().height(), 3);
    assert_eq!(loaded.to_rows().await.unwrap(), flights());
    let known = loaded.materialize().await.unwrap();
    assert_eq!(known.row_count(), Some(3));
    assert_eq!(repository.stage(&known).await.unwrap().rows(), 3);
    assert_eq!(scratch.names(), ["flights.parquet"]);
}

/// The value turns up when another dataset, made from that of the file, is computed.
#[test]
fn a_value_that_cannot_be_read_names_the_files_of_the_query() {
    #[derive(Row)]
    struct Late {
        carrier: String,
    }

    let scratch = Scratch::new();
    let path = scratch.file("flights.csv", "carrier,dep_delay\nUA,3\nDL,late\n");
    let flights: Repository<Flight> = Csv::open(&path).unwrap();
    let late = Dataset::<Late>::new(flights.load().unwrap().filter(Flight::DELAY.gt(15.0)).lazy()).unwrap();
    let error = late.collect_blocking().unwrap_err();
    check_says(
        error,
        &[
            "dataset of `Late`",
            &format!("it reads CSV file {}", path.display()),
            "line 3, column `dep_delay`: `late` is not a number of type f64",
        ],
    );
}
