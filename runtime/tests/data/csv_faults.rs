//! CSV files that are not as they should be: no value is made up, and the error names the place.

use std::fs;
use std::path::Path;

use crate::scratch::Scratch;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use polars::prelude::{Engine, col, len, lit};
use setl::Row;
use setl::dataset::{DataError, Dataset};
use setl::storage::{Csv, CsvFile, Parquet, Repository};

#[derive(Row, Clone, Debug, PartialEq)]
struct Abc {
    a: Option<i64>,
    b: Option<String>,
    c: Option<f64>,
}

fn abc(a: impl Into<Option<i64>>, b: impl Into<Option<&'static str>>, c: impl Into<Option<f64>>) -> Abc {
    Abc { a: a.into(), b: b.into().map(str::to_owned), c: c.into() }
}

pub(crate) fn said(error: impl Into<setl::Error>) -> String {
    let message = format!("{:#}", error.into());
    assert!(message.lines().count() <= 20, "{message}");
    for foreign in ["truncate_ragged", "infer_schema", "ignore_errors", "schema_overrides", "current offset"]
    {
        assert!(!message.contains(foreign), "{message}");
    }
    message
}

/// Checks that the file is refused when it is loaded, or when it is collected, and that all parts are said.
fn check_refused<T: Row>(file: CsvFile, parts: &[&str]) {
    let rows = file
        .open::<T>()
        .map_err(Into::into)
        .and_then(|file| file.load())
        .and_then(|set| set.to_rows_blocking());
    let error = match rows {
        Ok(rows) => panic!("{} rows, expected {parts:?}", rows.len()),
        Err(error) => said(error),
    };
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

fn rows<T: Row>(file: CsvFile) -> Vec<T> {
    file.open::<T>().unwrap().load().unwrap().to_rows_blocking().unwrap()
}

#[test]
fn lines_of_another_number_of_fields() {
    let scratch = Scratch::new();
    for (content, parts) in [
        ("a,b,c\n1,x,1\n4\n5,y\n", ["line 3: it has 1 field, and its header has 3", "`.pad_short_lines()`"]),
        ("a,b,c\n1,x,1\n5,6\n", ["line 3: it has 2 fields", ": `5,6`"]),
        ("a,b,c\n1,x,1,2\n", ["line 2: it has 4 fields", "name the column in the header"]),
        ("a,b,c\r\n1,x,1\r\n1,x,1,\r\n", ["line 3: it has 4 fields", "remove the separator at the end"]),
        ("a,b,c\n1,\"x\ny\",1\n2,\"x,y\"\n", ["line 4: it has 2 fields", "its header has 3"]),
    ] {
        let file = scratch.file("f.csv", content);
        check_refused::<Abc>(Csv::at(&file), &[&file.display().to_string()]);
        check_refused::<Abc>(Csv::at(&file), &parts);
        // Also where only some columns are asked for.
        #[derive(Row)]
        struct A {
            a: Option<i64>,
        }
        check_refused::<A>(Csv::at(&file), &parts);
    }
    let file = scratch.file("f.csv", "a,b,c\n1,x,1\n4\n5,6\n");
    let padded = [abc(1, "x", 1.0), abc(4, None, None), abc(5, "6", None)];
    assert_eq!(rows::<Abc>(Csv::at(&file).pad_short_lines()), padded);
    let file = scratch.file("f.csv", "a,b,c\n1,x,1,\n4\n");
    check_refused::<Abc>(Csv::at(&file).pad_short_lines(), &["line 2: it has 4 fields"]);
    let file = scratch.file("f.csv", "1,x,1\n2,y\n");
    check_refused::<Abc>(Csv::at(&file).header(false), &["line 2: it has 2 fields, and the row type has 3"]);
}

#[test]
fn blank_lines_are_skipped() {
    let scratch = Scratch::new();
    let expected = [abc(1, "x", 1.0), abc(None, None, None), abc(2, "", 2.0)];
    for end in ["\n", "\r\n"] {
        for content in [
            "a,b,c||1,x,1||,,|2,\"\",2|",
            "||a,b,c|1,x,1|,,|2,\"\",2||||",
            "a,b,c|1,x,1|,,||2,\"\",2",
            "\u{feff}a,b,c|||1,x,1|,,|2,\"\",2||",
        ] {
            let file = scratch.file("f.csv", &content.replace('|', end));
            assert_eq!(rows::<Abc>(Csv::at(&file)), expected, "{content:?}");
            let some = Csv::open::<Abc>(&file).unwrap().find_by(Abc::A.eq(2)).unwrap();
            assert_eq!(some.to_rows_blocking().unwrap(), expected[2..]);
            let lazy = Csv::open::<Abc>(&file).unwrap().load().unwrap().lazy();
            for engine in [Engine::InMemory, Engine::Streaming] {
                let counted =
                    lazy.clone().select([len()]).collect_with_engine(engine).unwrap().unwrap_single();
                assert_eq!(counted.columns()[0].get(0).unwrap().extract::<usize>(), Some(3), "{content:?}");
                let nulls = lazy.clone().filter(col("b").is_null()).collect_with_engine(engine).unwrap();
                assert_eq!(nulls.unwrap_single().height(), 1);
            }
        }
    }
    let text = "a,b,c\n#\n1,x,1\n\n# note\n,,\n2,\"\",2\n";
    assert_eq!(rows::<Abc>(Csv::at(scratch.file("f.csv", text)).comment("#")), expected);
    let padded = [abc(1, "x", 1.0), abc(2, None, None)];
    assert_eq!(rows::<Abc>(Csv::at(scratch.file("f.csv", "a,b,c\n1,x,1\n\n2\n")).pad_short_lines()), padded);
}

#[test]
fn blank_lines_without_a_header() {
    let scratch = Scratch::new();
    let mut failed = Vec::new();
    for content in [
        "\n1,x,1\n",
        "1,x,1\n\n",
        "\n\n1,x,1\n\n\n",
        "1,\"x\",1\n",
        "\n1,\"x\",1\n",
        "\n1,\"x\",\"1\"\n",
        "1,x,\"1\"\n",
        "1,x,\"\r1\"\n",
        "\n1,x\"\"\"\",\"1\"\n",
        "\n1,x\"\"-,\"1\"\n",
        "\n1\"\"-,\"A#C\",\"\rbNA0\"\n",
    ] {
        #[derive(Row)]
        struct T {
            a: Option<String>,
            b: Option<String>,
            c: Option<String>,
        }
        let file = Csv::at(scratch.file("f.csv", content)).header(false).open::<T>().unwrap();
        match file.load().and_then(|set| set.to_rows_blocking()) {
            Ok(rows) if rows.len() == 1 => {}
            Ok(rows) => failed.push(format!("{content:?}: {} rows", rows.len())),
            Err(error) => failed.push(format!("{content:?}: {error:#}")),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn many_lines_with_blank_ones_and_quotes() {
    let scratch = Scratch::new();
    let mut content = String::from("a,b,c\n");
    let mut expected = Vec::new();
    // Several pieces are looked through at the same time.
    for index in 0..400_000_i64 {
        let text = if index % 3 == 0 {
            format!("\"say \"\"{index}\"\",\n\n\"")
        } else {
            format!("text of {index}, ")
        };
        let text =
            text.replace("of", if index % 3 == 0 { "of" } else { "for" }).replace(", ", " and so on and on");
        content.push_str(&format!("{index},{text},{index}.5\n"));
        if index % 1000 == 7 {
            content.push('\n');
        }
        expected.push(index);
    }
    let path = scratch.file("f.csv", &content);
    let read: Vec<_> = rows::<Abc>(Csv::at(&path)).into_iter().filter_map(|row| row.a).collect();
    assert!(read == expected, "{} and {}", read.len(), expected.len());
    let lines = content.matches('\n').count();
    fs::write(&path, content + "1,x\n").unwrap();
    check_refused::<Abc>(Csv::at(&path), &[&format!("line {}: it has 2 fields", lines + 1)]);
}

#[test]
fn headers() {
    let scratch = Scratch::new();
    let file = |content: &str| Csv::at(scratch.file("f.csv", content));
    check_refused::<Abc>(file("a,b,c,a\n1,x,1,2\n"), &["columns 1 and 4 of its header are both called `a`"]);
    assert_eq!(rows::<Abc>(file("a,b,,c,,x,x\n1,x,,1,,,\n")), [abc(1, "x", 1.0)], "nobody asks for them");
    check_refused::<Abc>(
        file("sep=;\na;b;c\n1;x;1\n"),
        &["its first line is `sep=;`", "`.separator(b';').skip_lines(1)`"],
    );
    assert_eq!(rows::<Abc>(file("sep=;\na;b;c\n1;x;1\n").separator(b';').skip_lines(1)), [abc(1, "x", 1.0)]);
    check_refused::<Abc>(file("a;b;c\n1;x;1\n"), &["the one column `a;b;c`", "`.separator(b';')`"]);
    check_refused::<Abc>(file("a,b,c\r1,x,1\r2,y,2\r"), &["line 1", "a carriage return without a line feed"]);
    check_refused::<Abc>(file("a,b,c\n1,x\ry,1\n"), &["line 2, column `b`: a carriage return"]);
    check_refused::<Abc>(file("Table 1\n\na,b,c\n"), &["column `a`"]);
    assert_eq!(rows::<Abc>(file("Table \"1\n\na,b,c\n1,x,1\n").skip_lines(1)), [abc(1, "x", 1.0)]);
    assert_eq!(rows::<Abc>(file("\"c\",\"a\",\"b\"\n1,2,\"x\"\n")), [abc(2, "x", 1.0)]);
}

#[test]
fn bytes_that_are_no_text() {
    let scratch = Scratch::new();
    let file = |content: &[u8]| {
        fs::write(scratch.path("f.csv"), content).unwrap();
        Csv::at(scratch.path("f.csv"))
    };
    check_refused::<Abc>(
        file(b"a,b,c\n1,x,1\n2,caf\xe9,1\n"),
        &["line 3, column `b`: byte 0xE9 is not UTF-8", "encoding(\"windows-1252\")"],
    );
    #[derive(Row, Debug)]
    struct A {
        a: i64,
    }
    check_refused::<A>(file(b"a,b\n1,x\n2,\xff\n"), &["line 3, column `b`: byte 0xFF"]);
    check_refused::<A>(file(b"a,caf\xe9\n1,x\n"), &["line 1", "byte 0xE9"]);
    check_refused::<Abc>(file(b"\xff\xfea\0,\0b\0,\0c\0\n\0"), &["it is in UTF-16"]);
    check_refused::<Abc>(file(b"a\0,\0b\0,\0c\0\n\0"), &["as UTF-16"]);
    check_refused::<Abc>(file(b"PK\x03\x04\x14\0\0"), &["it is a ZIP archive"]);
}

#[test]
fn encodings() {
    let scratch = Scratch::new();
    let file = |content: &[u8], encoding: &str| {
        fs::write(scratch.path("f.csv"), content).unwrap();
        Csv::at(scratch.path("f.csv")).encoding(encoding)
    };
    let expected = [abc(1, "caf\u{e9} \u{20ac}", 1.0), abc(2, "x", None)];
    let text = "a,b,c\n1,caf\u{e9} \u{20ac},1\n\n2,x,\n";
    let bytes = |of: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(of).collect::<Vec<_>>();
    assert_eq!(rows::<Abc>(file(b"a,b,c\n1,caf\xe9 \x80,1\n\n2,x,\n", "latin1")), expected);
    assert_eq!(rows::<Abc>(file(&bytes(u16::to_le_bytes), "utf-16le")), expected);
    let marked = [b"\xff\xfe".to_vec(), bytes(u16::to_le_bytes)].concat();
    assert_eq!(rows::<Abc>(file(&marked, "UTF-16")), expected);
    assert_eq!(rows::<Abc>(file(&bytes(u16::to_be_bytes), "utf-16be")), expected);
    check_refused::<Abc>(file(b"a,b,c\n1,caf\xe9\n", "latin1"), &["line 2: it has 2 fields"]);
    check_refused::<Abc>(
        file(b"a,b,c\n1,caf\xe9,late\n", "latin1"),
        &["f.csv", "line 2, column `c`: `late`"],
    );
    check_refused::<Abc>(file(b"a,b,c\n1,caf\xe9,1e400\n", "latin1"), &["line 2, column `c`: `1e400`"]);
    check_refused::<Abc>(file(b"a,b,c\n1,caf\xe9,1\n", "utf-8"), &["line 2: it is not UTF-8"]);
    assert!(file(b"", "latin-9").open::<Abc>().unwrap_err().to_string().contains("`latin-9` is unknown"));
    let refused = file(b"a,b,c\n", "latin1").open::<Abc>().unwrap();
    let error = said(refused.save_blocking(&Dataset::from_rows(&expected).unwrap()).unwrap_err());
    assert!(error.contains("files are written in UTF-8, and not in latin1"), "{error}");
}

#[test]
fn quotes() {
    let scratch = Scratch::new();
    let file = |content: &str| Csv::at(scratch.file("f.csv", content));
    let mut content = String::from("a,b,c\n");
    for index in 0..20_000 {
        content.push_str(&format!("{index},\"text\",1\n"));
    }
    let error = Csv::open::<Abc>(scratch.file("long.csv", &content.replace("7000,\"text\"", "7000,\"text")));
    let error = said(error.unwrap().load().unwrap_err());
    assert!(error.contains("line 7002, column `b`"), "{error}");
    assert!(error.len() < 1000, "{error}");
    check_refused::<Abc>(
        file("a,b,c\n1,x,1\n2,\"y,2\n3,z,3\n"),
        &["line 3, column `b`: the quote before `y,2`"],
    );
    check_refused::<Abc>(file("a,b,c\n1,\"x\"y,1\n"), &["line 2, column `b`: `y,1` follows a closing quote"]);
    check_refused::<Abc>(
        file("a,b,c\n1,6\" pipe,1\n"),
        &["line 2, column `b`: a quote stands alone", "`.quote(None)`"],
    );
    check_refused::<Abc>(file("a,b,c\n1,6\" pipe,1\n2,7\" pipe,2\n"), &["line 2, column `b`"]);
    assert_eq!(rows::<Abc>(file("a,b,c\n1,say \"hi\",1\n")), [abc(1, "say \"hi\"", 1.0)]);
    assert_eq!(rows::<Abc>(file("a,b,c\n1,6\" pipe,1\n").quote(None)), [abc(1, "6\" pipe", 1.0)]);
}

#[test]
fn values_that_are_not_what_is_declared() {
    let scratch = Scratch::new();
    let file = |content: &str| Csv::at(scratch.file("f.csv", content));
    check_refused::<Abc>(
        file("a,b,c\n1,x,1\n2,\"x\ny\",1\nseven,x,1\n"),
        &["f.csv, line 5, column `a`: `seven` is not a number of type i64", "`null_values`"],
    );
    check_refused::<Abc>(
        file("a,b,c\n1,x,NA\n"),
        &["line 2, column `c`: `NA` is not a number", "null_values"],
    );
    check_refused::<Abc>(file("a,b,c\n1,x,\"1,5\"\n"), &["line 2, column `c`: `1,5`"]);
    check_refused::<Abc>(
        file("a,b,c\n1,x,1e400\n"),
        &["line 2, column `c`: `1e400` is too large for Float64"],
    );
    assert_eq!(rows::<Abc>(file("a,b,c\n1,x,inf\n")), [abc(1, "x", f64::INFINITY)]);
    #[derive(Row, Debug)]
    struct Small {
        f: f32,
    }
    check_refused::<Small>(file("f\n1\n1e39\n"), &["line 3, column `f`: `1e39`"]);
    let long = "x".repeat(10_000);
    let error =
        Csv::open::<Abc>(scratch.file("f.csv", &format!("a,b,c\n{long},x,1\n"))).unwrap().load().unwrap();
    let error = said(error.to_rows_blocking().unwrap_err());
    assert!(error.contains(&format!("`{}…`", "x".repeat(80))) && error.len() < 1000, "{error}");
}

/// What is read when a target is written is named, not only the target.
#[test]
fn a_bad_value_that_is_found_while_saving() {
    let scratch = Scratch::new();
    let source = scratch.file("in.csv", "a,b,c\n1,x,1\n2,y,late\n");
    let target = Parquet::create::<Abc>(scratch.path("out.parquet")).unwrap();
    let error = said(target.save_blocking(&Csv::open(&source).unwrap().load().unwrap()).unwrap_err());
    for part in ["out.parquet", &format!("CSV file {}, line 3, column `c`: `late`", source.display())] {
        assert!(error.contains(part), "{error}");
    }
    let error = setl::collect_blocking(Csv::open::<Abc>(&source).unwrap().load().unwrap().lazy());
    assert!(said(error.unwrap_err()).contains("line 3, column `c`"));
    // A directory names the file.
    fs::create_dir(scratch.path("parts")).unwrap();
    for (name, content) in [("1.csv", "a,b,c\n1,x,1\n"), ("2.csv", "a,b,c\nx,x,1\n")] {
        fs::write(scratch.path("parts").join(name), content).unwrap();
    }
    check_refused::<Abc>(Csv::at(scratch.path("parts")).directory(), &["2.csv, line 2, column `a`: `x`"]);
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Times {
    day: Option<NaiveDate>,
    at: Option<NaiveDateTime>,
    clock: Option<NaiveTime>,
}

fn moment(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

#[test]
fn dates_and_times() {
    let scratch = Scratch::new();
    let file = |content: &str| Csv::at(scratch.file("f.csv", &format!("day,at,clock\n{content}\n")));
    for (line, column) in [
        ("13-01-31,,", "day"),
        ("31-01-13,,", "day"),
        (",13-01-31T00:00:00,", "at"),
        (",0013-1-1T00:00:60,", "at"),
        (",2016-12-31T23:59:60,", "at"),
        (",,23:59:60", "clock"),
        (",,24:00:00", "clock"),
        ("2013-02-31,,", "day"),
    ] {
        check_refused::<Times>(
            file(line),
            &[&format!("line 2, column `{column}`: `"), "expected the like of"],
        );
    }
    let dotted = file("31.01.13,,").date_format("%d.%m.%Y");
    check_refused::<Times>(dotted, &["`31.01.13` is not a date in the format `%d.%m.%Y`", "`31.01.2013`"]);
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    assert_eq!(rows::<Times>(file("31.01.13,,").date_format("%d.%m.%y"))[0].day, Some(day("2013-01-31")));
    assert_eq!(rows::<Times>(file("0013-01-31,,"))[0].day, Some(day("0013-01-31")), "if it is said");
    for (format, text) in [
        ("%Y-%m-%d %H:%M:%S %z", "2013-01-31 01:30:00 +0200"),
        ("%Y-%m-%d %H:%M:%S%:z", "2013-01-31 01:30:00+02:00"),
        ("%+", "2013-01-31T01:30:00+02:00"),
    ] {
        let file = file(&format!(",{text},")).datetime_format(format);
        assert_eq!(rows::<Times>(file)[0].at, Some(moment("2013-01-30T23:30:00")), "{format}");
    }
    for (file, reason) in [
        (file("").datetime_format("%Y-%m-%d %H:%M:%S %Z"), "`%Z`, the name of a time zone"),
        (file("").datetime_format("%Y-%m-%d"), "does not hold a whole datetime"),
        (file("").date_format("%d.%m."), "does not hold a whole date"),
        (file("").date_format("%Q"), "is not in the notation of chrono"),
    ] {
        let error = file.clone().open::<Times>().unwrap_err();
        assert!(matches!(error, DataError::BadOption { .. }));
        assert!(said(error).contains(reason), "{reason}");
    }
}

#[test]
fn formats_that_cannot_hold_a_value() {
    let scratch = Scratch::new();
    let row =
        |at: &str| Times { day: at[..10].parse().ok(), at: Some(moment(at)), clock: Some(moment(at).time()) };
    let file = || Csv::at(scratch.path("f.csv"));
    for (file, at, column) in [
        (file().datetime_format("%d/%m/%Y %H:%M"), "2013-01-31T10:00:01", Some("at")),
        (file().datetime_format("%d/%m/%Y %H:%M"), "2013-01-31T10:00:00", None),
        (file().datetime_format("%d/%m/%Y %H:%M:%S %z"), "2013-01-31T10:00:01", None),
        (file().datetime_format("%+"), "2013-01-31T10:00:01.000001", None),
        (file().datetime_format("%s"), "2013-01-31T10:00:01", None),
        (file().datetime_format("%s"), "2013-01-31T10:00:01.5", Some("at")),
        (file().date_format("%d.%m.%y"), "1913-01-31T10:00:00", Some("day")),
        (file().date_format("%d.%m.%y"), "2013-01-31T10:00:00", None),
        (file().time_format("%H.%M"), "2013-01-31T10:00:01", Some("clock")),
        (file().time_format("%I:%M:%S %p"), "2013-01-31T22:00:01", None),
        (file().time_format("%H:%M:%S%.3f"), "2013-01-31T22:00:01.123456", Some("clock")),
    ] {
        let repository = file.create::<Times>().unwrap();
        let rows = [row(at), Times { day: None, at: None, clock: None }];
        let saved = repository.save_blocking(&Dataset::from_rows(&rows).unwrap());
        match column {
            None => {
                saved.unwrap();
                assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows, "{at}");
            }
            Some(column) => {
                let error = said(saved.unwrap_err());
                let part = format!("column `{column}` holds 1 value that its format cannot hold");
                assert!(error.contains(&part), "{error}");
            }
        }
    }
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Values {
    text: Option<String>,
    number: Option<i64>,
    float: Option<f64>,
    yes: Option<bool>,
    day: Option<NaiveDate>,
}

#[test]
fn values_that_are_written_as_null_values() {
    let scratch = Scratch::new();
    let plain = Values {
        text: Some("x".into()),
        number: Some(1),
        float: Some(1.0),
        yes: Some(true),
        day: NaiveDate::from_ymd_opt(2013, 1, 31),
    };
    let none = Values { text: None, number: None, float: None, yes: None, day: None };
    for (null, row, column) in [
        ("0", Values { number: Some(0), ..plain.clone() }, Some("number")),
        ("0", Values { float: Some(0.0), ..plain.clone() }, None),
        ("0.0", Values { float: Some(0.0), ..plain.clone() }, Some("float")),
        ("NaN", Values { float: Some(f64::NAN), ..plain.clone() }, Some("float")),
        ("inf", Values { float: Some(f64::INFINITY), ..plain.clone() }, Some("float")),
        ("-999", Values { number: Some(-999), ..plain.clone() }, Some("number")),
        ("false", Values { yes: Some(false), ..plain.clone() }, Some("yes")),
        ("2013-01-30", Values { day: NaiveDate::from_ymd_opt(2013, 1, 30), ..plain.clone() }, Some("day")),
        ("-", Values { text: Some("-".into()), ..plain.clone() }, Some("text")),
        ("-", plain.clone(), None),
    ] {
        let repository = Csv::at(scratch.path("f.csv")).null_values([null]).create::<Values>().unwrap();
        let rows = [row, none.clone(), plain.clone()];
        let saved = repository.save_blocking(&Dataset::from_rows(&rows).unwrap());
        match column {
            None => {
                saved.unwrap();
                assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows, "{null}");
            }
            Some(column) => {
                let error = said(saved.unwrap_err());
                assert!(
                    error.contains(&format!("column `{column}` holds 1 ambiguous value")),
                    "{null}: {error}"
                );
            }
        }
    }
}

#[test]
fn options_that_contradict_each_other() {
    let file = || Csv::at("f.csv");
    for (file, part) in [
        (file().separator(b'"'), "the separator"),
        (file().separator(b'\n'), "the separator"),
        (file().separator(0xa7), "the separator"),
        (file().quote(b','), "the quote"),
        (file().comment(""), "the prefix of a comment"),
        (file().null_values(["a,b"]), "the null value \"a,b\""),
        (file().comment("#").null_values(["#N/A"]), "would be taken for a comment"),
    ] {
        for error in [file.clone().open::<Abc>().unwrap_err(), file.create::<Abc>().unwrap_err()] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

/// Puts another file in the place of one that was loaded, and says what each way to collect it gives.
fn replaced(scratch: &Scratch, before: &str, after: &str) -> Vec<Result<usize, String>> {
    let path = scratch.file("f.csv", before);
    let sets = [(); 4].map(|()| Csv::open::<Abc>(&path).unwrap().load().unwrap());
    replace(&path, after);
    let [a, b, c, d] = sets;
    let target = Parquet::create::<Abc>(scratch.path("out.parquet")).unwrap();
    vec![
        a.to_rows_blocking().map(|rows| rows.len()).map_err(said),
        target.save_blocking(&b).map_err(said),
        c.lazy().collect_with_engine(Engine::Streaming).map(|set| set.unwrap_single().height()).map_err(said),
        d.lazy()
            .filter(col("a").gt(lit(1000)))
            .collect_with_engine(Engine::Streaming)
            .map(|_| 2)
            .map_err(said),
    ]
}

fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_file_that_changes_after_it_was_loaded() {
    let scratch = Scratch::new();
    let before = "a,b,c\n1,x,1\n2,y,2\n";
    for (after, part) in [
        ("a,c,b\n1,1,3\n2,2,4\n", "its columns were `a, b, c`, and are `a, c, b`; load it again"),
        ("1,x,1\n2,y,2\n3,z,3\n", "its columns were `a, b, c`, and are `1, x, 1`"),
        ("a,b,c\n1,x\n2,y,2\n", "line 2: it has 2 fields"),
        ("a,b,c\n\n1,x,1\n2,y,2\n", "has other blank lines"),
    ] {
        for (way, result) in replaced(&scratch, before, after).into_iter().enumerate() {
            let error = result.expect_err(part);
            assert!(error.contains(part) && error.contains("f.csv"), "{way}: {error}");
        }
    }
    for after in [before, "a,b,c\n10,x,1\n20,y,\n"] {
        assert_eq!(replaced(&scratch, before, after), [const { Ok(2) }; 4], "the same columns are read");
    }
}

#[test]
fn compressed_files_are_looked_through_too() {
    let scratch = Scratch::new();
    let compress = "import gzip, zlib, sys
text = sys.argv[3].encode()
half = len(text) // 2
kinds = {'gz': gzip.compress, 'members': lambda text: gzip.compress(text[:half]) + gzip.compress(text[half:]), 'zlib': zlib.compress}
open(sys.argv[1], 'wb').write(kinds[sys.argv[2]](text))";
    for kind in ["gz", "members", "zlib"] {
        let write = |content: &str| {
            let path = scratch.path("f.csv.z");
            let mut python = std::process::Command::new("python3");
            let run = python.args(["-c", compress]).arg(&path).args([kind, content]).status();
            assert!(run.unwrap().success());
            Csv::at(path)
        };
        assert_eq!(rows::<Abc>(write("a,b,c\n1,x,1\n\n2,y,2\n")), [abc(1, "x", 1.0), abc(2, "y", 2.0)]);
        check_refused::<Abc>(write("a,b,c\n1,x,1\n2,y\n"), &["line 3: it has 2 fields"]);
    }
    let cut = scratch.path("f.csv.z");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 8]).unwrap();
    check_refused::<Abc>(Csv::at(cut), &["it cannot be decompressed"]);
}

#[test]
fn repositories_of_the_same_file_with_other_options_are_not_mixed_up() {
    let scratch = Scratch::new();
    let path = scratch.file("f.csv", "a,b,c\n1,x,1\n2,y\n");
    let strict: Repository<Abc> = Csv::open(&path).unwrap();
    let padded: Repository<Abc> = Csv::at(&path).pad_short_lines().open().unwrap();
    assert_eq!(padded.load().unwrap().to_rows_blocking().unwrap().len(), 2);
    assert!(strict.load().is_err());
}
