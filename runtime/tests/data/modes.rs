//! What saving does with what is there, in files and in directories of files.

use std::fs;

use crate::scratch::Scratch;
use setl::Row;
use setl::dataset::Dataset;
use setl::storage::{Csv, Memory, Ndjson, Parquet, Repository, SaveMode};

#[derive(Row, Clone, Debug, PartialEq)]
struct Flight {
    carrier: String,
    delay: Option<f64>,
}

fn flights(carriers: &[&str]) -> Vec<Flight> {
    carriers.iter().map(|carrier| Flight { carrier: (*carrier).into(), delay: Some(1.5) }).collect()
}

fn dataset(carriers: &[&str]) -> Dataset<Flight> {
    Dataset::from_rows(&flights(carriers)).unwrap()
}

fn carriers(repository: &Repository<Flight>) -> Vec<String> {
    let rows = repository.load().unwrap().to_rows_blocking().unwrap();
    rows.into_iter().map(|flight| flight.carrier).collect()
}

/// A dataset that cannot be computed.
fn failing() -> Dataset<Flight> {
    use setl::polars::prelude::*;
    let frame = df!("carrier" => ["UA"], "delay" => ["late"]).unwrap();
    Dataset::cast(frame.lazy()).unwrap()
}

fn directories(scratch: &Scratch) -> Vec<Repository<Flight>> {
    vec![
        Csv::at(scratch.path("csv")).rows_per_file(2).create().unwrap(),
        Ndjson::at(scratch.path("ndjson")).rows_per_file(2).create().unwrap(),
        Parquet::at(scratch.path("parquet")).rows_per_file(2).create().unwrap(),
    ]
}

/// Every place there is, with nothing in it.
fn every_place(scratch: &Scratch) -> Vec<Repository<Flight>> {
    let mut places = directories(scratch);
    places.extend([
        Csv::create(scratch.path("f.csv")).unwrap(),
        Csv::at(scratch.path("bare.csv")).header(false).create().unwrap(),
        Csv::at(scratch.path("other.csv")).separator(b';').quote(None).create().unwrap(),
        Ndjson::create(scratch.path("f.jsonl")).unwrap(),
        Parquet::create(scratch.path("f.parquet")).unwrap(),
        Memory::empty(),
    ]);
    places
}

fn check_refused(result: setl::Result<usize>, part: &str) {
    let message = format!("{:#}", result.unwrap_err());
    assert!(message.contains(part), "{part:?} is not in: {message}");
}

#[test]
fn every_mode_in_every_place() {
    let scratch = Scratch::new();
    for repository in every_place(&scratch) {
        let mode = |mode| repository.clone().mode(mode);
        assert_eq!(mode(SaveMode::Append).save_blocking(&dataset(&["a", "b"])).unwrap(), 2);
        assert_eq!(mode(SaveMode::Append).save_blocking(&dataset(&["c", "d", "e"])).unwrap(), 3);
        assert_eq!(mode(SaveMode::Append).save_blocking(&dataset(&[])).unwrap(), 0);
        assert_eq!(carriers(&repository), ["a", "b", "c", "d", "e"], "{repository}");
        assert_eq!(repository.clone().ignore_if_exists().save_blocking(&failing()).unwrap(), 0);
        check_refused(repository.clone().error_if_exists().save_blocking(&dataset(&["x"])), "exists already");
        assert_eq!(carriers(&repository).len(), 5, "{repository}");
        assert_eq!(repository.save_blocking(&dataset(&["f"])).unwrap(), 1);
        assert_eq!(repository.save_now_blocking(&dataset(&["g"])).unwrap(), 1);
        assert_eq!(carriers(&repository), ["g"], "{repository}");
    }
    for (index, repository) in every_place(&Scratch::new()).into_iter().enumerate() {
        let mode = if index % 2 == 0 { SaveMode::Ignore } else { SaveMode::ErrorIfExists };
        // The directory of the file is gone with its scratch.
        if repository.to_string().starts_with("memory") {
            assert_eq!(repository.clone().mode(mode).save_blocking(&dataset(&["a"])).unwrap(), 1);
            assert_eq!(carriers(&repository), ["a"]);
        }
    }
    let scratch = Scratch::new();
    for mode in [SaveMode::Ignore, SaveMode::ErrorIfExists] {
        for repository in every_place(&scratch) {
            let _ = fs::remove_dir_all(scratch.root());
            fs::create_dir(scratch.root()).unwrap();
            assert_eq!(repository.clone().mode(mode).save_blocking(&dataset(&["a"])).unwrap(), 1);
            assert_eq!(carriers(&repository), ["a"], "{repository}");
        }
    }
}

/// The bytes of the old rows stay as they are, whoever wrote them.
#[test]
fn lines_are_put_after_lines() {
    let scratch = Scratch::new();
    for (old, new) in [
        ("carrier,delay\nUA,1e3", "carrier,delay\nUA,1e3\nDL,1.5\n"),
        ("\"carrier\",delay\r\n", "\"carrier\",delay\r\nDL,1.5\n"),
        ("", "carrier,delay\nDL,1.5\n"),
    ] {
        let file = scratch.file("f.csv", old);
        let repository = Csv::open(&file).unwrap().append();
        repository.save_blocking(&dataset(&["DL"])).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), new);
    }
    for old in ["delay,carrier\n1,UA\n", "carrier,delay,gate\nUA,1,B\n", "carrier\nUA\n"] {
        let file = scratch.file("f.csv", old);
        let repository = Csv::open(&file).unwrap().append();
        check_refused(repository.save_blocking(&dataset(&["DL"])), "cannot append to CSV file");
        assert_eq!(fs::read_to_string(&file).unwrap(), old);
    }
    let file = scratch.file("f.jsonl", "{\"carrier\":\"UA\",\"x\":1}");
    Ndjson::open(&file).unwrap().append().save_blocking(&dataset(&["DL"])).unwrap();
    let text = "{\"carrier\":\"UA\",\"x\":1}\n{\"carrier\":\"DL\",\"delay\":1.5}\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(scratch.names(), ["f.csv", "f.jsonl"]);
}

/// Rows after a quote that is not closed would be part of a field.
#[test]
fn what_cannot_be_read_is_not_appended_to() {
    let scratch = Scratch::new();
    for (old, reason) in [
        ("carrier,delay\nUA,1\n\"DL,2\n", "line 3"),
        ("carrier,delay\nUA,1\n\"DL,2", "line 3"),
        ("carrier,delay\nUA,1\nDL\nAA,3\n", "line 3"),
    ] {
        let file = scratch.file("f.csv", old);
        let loaded = format!("{:#}", Csv::open::<Flight>(&file).unwrap().load().unwrap_err());
        assert!(loaded.contains(reason), "{loaded}");
        let append = || Csv::open(&file).unwrap().append();
        check_refused(append().save_blocking(&dataset(&["AA"])), reason);
        check_refused(append().stage_blocking(&dataset(&["AA"])).map(|_| 0), &loaded);
        assert_eq!(fs::read_to_string(&file).unwrap(), old);
    }
    assert_eq!(scratch.names(), ["f.csv"]);
}

/// Lines behind what is compressed would make a file that nobody can read.
#[test]
fn compressed_files_are_not_appended_to() {
    let compress = "import gzip, sys
open(sys.argv[1], 'wb').write(gzip.compress(sys.argv[2].encode()))";
    let scratch = Scratch::new();
    let written = |name: &str, content: &str| {
        let path = scratch.path(name);
        let mut python = std::process::Command::new("python3");
        assert!(python.args(["-c", compress]).arg(&path).arg(content).status().unwrap().success());
        path
    };
    let csv = written("flights.csv", "carrier,delay\nUA,1.5\n");
    let json = written("flights.jsonl", "{\"carrier\":\"UA\",\"delay\":1.5}\n");
    for (path, repository) in
        [(&csv, Csv::open(&csv).unwrap().append()), (&json, Ndjson::open(&json).unwrap().append())]
    {
        let before = fs::read(path).unwrap();
        check_refused(repository.save_blocking(&dataset(&["DL"])), "it is compressed");
        assert_eq!(fs::read(path).unwrap(), before);
        assert_eq!(carriers(&repository), ["UA"]);
    }
    fs::create_dir(scratch.path("parts")).unwrap();
    fs::rename(csv, scratch.path("parts/0.csv")).unwrap();
    let parts = Csv::at(scratch.path("parts")).directory().open().unwrap().append();
    parts.save_blocking(&dataset(&["DL"])).unwrap();
    assert_eq!(carriers(&parts), ["UA", "DL"]);
}

#[test]
fn parquet_files_of_other_columns_are_not_appended_to() {
    #[derive(Row)]
    struct Turned {
        delay: Option<f64>,
        carrier: String,
    }
    #[derive(Row)]
    struct More {
        carrier: String,
        delay: Option<f64>,
        gate: i32,
    }
    let scratch = Scratch::new();
    let path = scratch.path("f.parquet");
    let turned = Turned { delay: None, carrier: "UA".into() };
    Parquet::create(&path).unwrap().save_blocking(&Dataset::from_rows(&[turned]).unwrap()).unwrap();
    let repository = Parquet::create(&path).unwrap().append();
    repository.save_blocking(&dataset(&["DL"])).unwrap();
    assert_eq!(carriers(&repository), ["UA", "DL"]);
    let more = More { carrier: "UA".into(), delay: None, gate: 1 };
    Parquet::create(&path).unwrap().save_blocking(&Dataset::from_rows(&[more]).unwrap()).unwrap();
    check_refused(repository.save_blocking(&dataset(&["DL"])), "only the old rows have `gate` of Int32");
    assert_eq!(carriers(&repository), ["UA"]);
}

#[test]
fn what_somebody_else_writes_meanwhile_is_not_lost() {
    let scratch = Scratch::new();
    for repository in every_place(&scratch) {
        if repository.to_string().starts_with("memory") {
            continue;
        }
        repository.save_blocking(&dataset(&["a"])).unwrap();
        let staged = repository.clone().append().stage_blocking(&dataset(&["b"])).unwrap();
        repository.clone().append().save_blocking(&dataset(&["theirs"])).unwrap();
        check_refused(staged.commit(), "has been changed by somebody else");
        assert_eq!(carriers(&repository), ["a", "theirs"], "{repository}");
        assert!(scratch.names().iter().all(|name| !name.starts_with('.')), "{:?}", scratch.names());
    }
}

#[test]
fn several_saves_of_one_run_are_all_there() {
    let scratch = Scratch::new();
    for repository in every_place(&scratch) {
        repository.save_blocking(&dataset(&["a"])).unwrap();
        let append = repository.clone().append();
        let stage = |name: &str| append.stage_blocking(&dataset(&[name])).unwrap().into_write();
        let together = setl::commit::commit_together(&scratch.path("state"), vec![stage("b"), stage("c")]);
        assert_eq!(together.unwrap().len(), 1);
        let replaced = repository.stage_blocking(&dataset(&["d"])).unwrap().into_write();
        assert_eq!(carriers(&repository), ["a", "b", "c"], "{repository}");
        setl::commit::commit_together(&scratch.path("state"), vec![replaced, stage("e")]).unwrap();
        assert_eq!(carriers(&repository), ["d", "e"], "{repository}");
        let twice =
            [&repository, &repository].map(|it| it.stage_blocking(&dataset(&["f"])).unwrap().into_write());
        let refused = setl::commit::commit_together(&scratch.path("state"), twice.into());
        check_refused(refused.map(|targets| targets.len()), "two writes of one run replace");
        assert_eq!(carriers(&repository), ["d", "e"], "{repository}");
    }
}

#[test]
fn a_directory_is_files_of_so_many_rows() {
    let scratch = Scratch::new();
    for repository in directories(&scratch) {
        let many: Vec<_> = (0..41).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let format = repository.to_string().split(' ').next().unwrap().to_lowercase();
        let path = scratch.path(&format);
        let extension = if format == "ndjson" { "jsonl" } else { &format };
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };

        repository.save_blocking(&dataset(&many[..5])).unwrap();
        let first = names();
        assert_eq!(first.len(), 3, "{first:?}");
        for (index, name) in first.iter().enumerate() {
            let end = format!("-{index:08}.{extension}");
            assert!(name.starts_with("part-") && name.ends_with(&end), "{name}");
        }
        repository.clone().append().save_blocking(&dataset(&many[5..])).unwrap();
        assert_eq!(carriers(&repository), many, "{repository}");
        assert_eq!(names()[..3], first);

        let one = repository.find_by(Flight::CARRIER.eq("7")).unwrap();
        repository.save_blocking(&one).unwrap();
        assert_eq!(carriers(&repository), ["7"]);
        assert!(names().len() == 1 && !first.contains(&names()[0]));

        repository.save_blocking(&dataset(&[])).unwrap();
        assert_eq!(carriers(&repository), [""; 0]);

        // Notes are not data, and are not removed with the data either.
        fs::write(path.join("_SUCCESS"), "").unwrap();
        assert_eq!(carriers(&repository), [""; 0]);
        for mode in [SaveMode::Overwrite, SaveMode::Append] {
            let saved = repository.clone().mode(mode).save_blocking(&dataset(&["x"]));
            check_refused(saved, "holds _SUCCESS, which is not a");
        }
    }
    assert_eq!(scratch.names(), ["csv", "ndjson", "parquet"]);
}

/// Columns are told by the header of each file, not by that of the first.
#[test]
fn a_directory_of_files_that_others_have_written() {
    let scratch = Scratch::new();
    let directory = scratch.path("csv");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("1.csv"), "carrier,delay\nUA,1\n").unwrap();
    fs::write(directory.join("2.csv"), "delay,x,carrier\n2,,DL\n").unwrap();
    fs::write(directory.join(".3.csv"), "nothing").unwrap();
    let repository = Csv::at(&directory).directory().open::<Flight>().unwrap();
    assert_eq!(carriers(&repository), ["UA", "DL"]);
    fs::remove_file(directory.join(".3.csv")).unwrap();
    check_refused(repository.append().save_blocking(&dataset(&["x"])), "cannot append to CSV");

    let file = scratch.file("f.csv", "");
    assert!(Csv::at(&file).directory().open::<Flight>().unwrap_err().to_string().contains("not a directory"));
    assert!(Csv::open::<Flight>(&directory).unwrap_err().to_string().contains("it is a directory"));
}

/// What would not be read is named; it is not left out.
#[test]
fn a_directory_with_files_of_other_names() {
    let scratch = Scratch::new();
    for (name, repository) in ["csv", "jsonl", "parquet"].iter().zip(directories(&scratch)) {
        repository.save_blocking(&dataset(&["UA"])).unwrap();
        let directory = repository.connector().path().unwrap();
        for other in ["p.json", "p.JSONL", "p.jsonl.gz", "p.pq", "year=2013", "folder.csv", "P.PARQUET"] {
            let path = directory.join(other);
            if path.extension().is_some_and(|extension| extension != "csv") {
                fs::write(&path, "").unwrap();
            } else {
                fs::create_dir(&path).unwrap();
            }
            let error = repository.load().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{other}`")) && error.contains(&format!("`.{name}`")),
                "{error}"
            );
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
        }
        fs::write(directory.join("_SUCCESS"), "").unwrap();
        fs::write(directory.join(".p.crc"), "").unwrap();
        assert_eq!(carriers(&repository), ["UA"]);
        for more in 0..30 {
            fs::write(directory.join(format!("{more}.txt")), "").unwrap();
        }
        let error = repository.load().unwrap_err().to_string();
        assert!(error.contains("and begin the name") && error.contains("25 more"), "{error}");
    }
}
