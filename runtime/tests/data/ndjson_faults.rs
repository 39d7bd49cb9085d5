//! Files of JSON lines that are not as they should be: no value is made up, and the error names the place.

use std::fs;

use crate::scratch::Scratch;
use chrono::NaiveDate;
use polars::prelude::{Engine, col, len};
use setl::Row;
use setl::dataset::Dataset;
use setl::storage::{Ndjson, Parquet};

#[derive(Row, Clone, Debug, PartialEq)]
struct Abc {
    a: Option<i64>,
    b: Option<String>,
    c: Option<f64>,
}

fn said(error: setl::Error) -> String {
    let message = format!("{error:#}");
    assert!(message.lines().count() <= 20 && message.len() < 1500, "{message}");
    message
}

fn load<T: Row>(scratch: &Scratch, content: &str) -> Result<Vec<T>, String> {
    let file = Ndjson::open::<T>(scratch.file("f.jsonl", content)).unwrap();
    file.load().and_then(|set| set.to_rows_blocking()).map_err(said)
}

fn check_refused<T: Row>(content: &str, parts: &[&str]) {
    let scratch = Scratch::new();
    let error = match load::<T>(&scratch, content) {
        Ok(rows) => panic!("{parts:?}: {} rows", rows.len()),
        Err(error) => error,
    };
    for part in parts.iter().chain(&["f.jsonl"]) {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn values_that_are_not_what_is_declared() {
    for (line, parts) in [
        (r#"{"a":"x"}"#, ["column `a`: `x` is not a number of type Int64", ""]),
        (r#"{"a":1.5}"#, ["column `a`: `1.5` is not a whole number", ""]),
        (
            r#"{"a":9223372036854775808}"#,
            ["column `a`: `9223372036854775808` is out of the range of Int64", ""],
        ),
        (r#"{"a":true}"#, ["column `a`: `true`", ""]),
        (r#"{"a":[1]}"#, ["column `a`: `[1]`", ""]),
        (r#"{"c":"1"}"#, ["column `c`: `1` is not a number of type Float64", ""]),
        (r#"{"c":1e400}"#, ["column `c`: `1e400` is too large for Float64", ""]),
        (r#"{"a":1,"a":2}"#, ["column `a`: the key is there twice", ""]),
        (r#"{"b":"\ud83d"}"#, ["stands where an escape that stands for a character was expected", "\\ud83d"]),
        ("{\"b\":\"x\ty\"}", ["no control character in a text", ""]),
        (r#"{"a":01}"#, ["expected", "`1}`"]),
        (r#"{"a":1"#, ["`{\"a\":1` ends where `,` or `}` was expected", ""]),
        (r#"{"a":1}{"a":2}"#, ["one object in each line", "`{\"a\":2}`"]),
        ("[1]", ["`[1]` stands where a JSON object was expected", ""]),
        ("a,b,c", ["a JSON object was expected", ""]),
        ("\u{1}", ["a JSON object was expected", ""]),
        ("{\"a\":1}\u{1}", ["one object in each line", ""]),
    ] {
        // On the first line when it is loaded, on a later one when it is read.
        let later = format!("{{\"a\":1}}\n\n{line}\n{{\"a\":3}}\n");
        check_refused::<Abc>(&later, &[&["line 3"], &parts[..]].concat());
        let many = "{\"a\":1,\"b\":\"\"}\n".repeat(1500);
        check_refused::<Abc>(&format!("{many}{line}\n"), &[&["line 1501"], &parts[..]].concat());
    }
    check_refused::<Abc>(
        &format!("{{\"b\":{}1{}}}", "[".repeat(3000), "]".repeat(3000)),
        &["line 1", "128 lists"],
    );
    #[derive(Row, Debug)]
    struct Small {
        int: Option<i8>,
        natural: Option<u16>,
        float: Option<f32>,
        day: Option<NaiveDate>,
        yes: Option<bool>,
    }
    for (line, part) in [
        (r#"{"int":128}"#, "column `int`: `128` is out of the range of Int8"),
        (r#"{"natural":-1}"#, "column `natural`: `-1` is out of the range of UInt16"),
        (r#"{"float":1e39}"#, "column `float`: `1e39` is too large for Float32"),
        (r#"{"day":"13-01-31"}"#, "column `day`: `13-01-31` is not a date, expected the like of"),
        (r#"{"day":15736}"#, "column `day`: `15736` is not a text with a date"),
        (r#"{"yes":1}"#, "column `yes`: `1` is not `true` or `false`"),
    ] {
        check_refused::<Small>(line, &["line 1", part]);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let scratch = Scratch::new();
    let path = scratch.path("f.jsonl");
    for bytes in
        [&b"{\"a\":1}\n{\"b\":\"caf\xe9\"}\n"[..], b"{\"a\":1}\n{\"a\":2}\xff\n", b"{\"a\":1}\n\xff\n"]
    {
        fs::write(&path, bytes).unwrap();
        let read = Ndjson::open::<Abc>(&path).unwrap().load().and_then(|set| set.to_rows_blocking());
        let error = said(read.unwrap_err());
        assert!(error.contains("line 2") && error.contains("f.jsonl"), "{error}");
    }
    fs::write(&path, "{\"a\":1}\r{\"a\":2}\r").unwrap();
    let error = said(Ndjson::open::<Abc>(&path).unwrap().load().unwrap_err());
    assert!(error.contains("line 1: a carriage return without a line feed"), "{error}");
    fs::write(&path, b"\xff\xfe{\0").unwrap();
    assert!(said(Ndjson::open::<Abc>(&path).unwrap().load().unwrap_err()).contains("UTF-16"));
}

#[test]
fn values_come_as_they_are_written() {
    let scratch = Scratch::new();
    let abc = |a: Option<i64>, b: &str, c: Option<f64>| Abc { a, b: Some(b.to_owned()), c };
    for (line, row) in [
        (r#"{"b":{"p":"C:\\new", "t":"a\tb"}}"#, abc(None, r#"{"p":"C:\\new", "t":"a\tb"}"#, None)),
        (r#"{"b":[1, "\u0000", {"\"":1e3}]}"#, abc(None, r#"[1, "\u0000", {"\"":1e3}]"#, None)),
        (r#"{"b":12345678901234567890.10}"#, abc(None, "12345678901234567890.10", None)),
        (r#"{"b":true}"#, abc(None, "true", None)),
        (r#"{"b":"\ud83d\udeeb\u00e9\/\n"}"#, abc(None, "\u{1f6eb}\u{e9}/\n", None)),
        (r#"{"\u0061":1.0,"b":"","c":0.30000000000000004}"#, abc(Some(1), "", Some(0.1 + 0.2))),
        (r#"{"x":9223372036854775808,"b":"","a":-9223372036854775808}"#, abc(Some(i64::MIN), "", None)),
        (r#"{"x":1e999,"y":{"x":1,"x":2},"x":[],"b":"x","c":1}"#, abc(None, "x", Some(1.0))),
        ("\u{feff}{\"b\":\"\u{feff}\"}", abc(None, "\u{feff}", None)),
    ] {
        assert_eq!(load::<Abc>(&scratch, line).unwrap(), [row], "{line}");
    }
    let spaced = "\n  \n{\"a\" : 1}\r\n\t\r\n { \"a\":2 } \n\n";
    let rows = load::<Abc>(&scratch, spaced).unwrap();
    assert_eq!(rows.iter().map(|row| row.a).collect::<Vec<_>>(), [Some(1), Some(2)]);
    let lazy = Ndjson::open::<Abc>(scratch.path("f.jsonl")).unwrap().load().unwrap().lazy();
    for engine in [Engine::InMemory, Engine::Streaming] {
        let counted = lazy.clone().select([len()]).collect_with_engine(engine).unwrap().unwrap_single();
        assert_eq!(counted.columns()[0].get(0).unwrap().extract::<usize>(), Some(2));
        let one = lazy.clone().filter(col("a").gt(1)).select([col("a")]).collect_with_engine(engine).unwrap();
        assert_eq!(one.unwrap_single().height(), 1);
    }
    assert_eq!(load::<Abc>(&scratch, "").unwrap(), []);
}

#[test]
fn keys_that_nobody_writes() {
    check_refused::<Abc>("{\"A\":1}\n", &["column `a`", "did you mean `A`?"]);
    check_refused::<Abc>("{\"x\":1}\n{\"y\":2}\n", &["column `a`", "column `b`", "there is `x`, `y`"]);
    check_refused::<Abc>("{\"A\":1,\"b\":\"x\"}\n", &["column `a`", "did you mean `A`?"]);
    check_refused::<Abc>("{}\n", &["column `a`", "there is no column at all"]);
    let scratch = Scratch::new();
    assert_eq!(load::<Abc>(&scratch, "{\"x\":1}\n{\"a\":2}\n").unwrap().len(), 2, "nulls may be left out");
}

#[test]
fn a_bad_value_that_is_found_while_saving() {
    let scratch = Scratch::new();
    let source = Ndjson::open::<Abc>(scratch.file("in.jsonl", "{\"a\":1}\n{\"a\":\"late\"}\n")).unwrap();
    let target = Parquet::create::<Abc>(scratch.path("out.parquet")).unwrap();
    let error = said(target.save_blocking(&source.load().unwrap()).unwrap_err());
    assert!(
        error.contains("out.parquet") && error.contains("in.jsonl, line 2, column `a`: `late`"),
        "{error}"
    );
    fs::create_dir(scratch.path("parts")).unwrap();
    fs::write(scratch.path("parts/1.jsonl"), "{\"a\":1}\n").unwrap();
    fs::write(scratch.path("parts/2.jsonl"), "{\"a\":1}\n{\"a\":[]}\n").unwrap();
    let parts = Ndjson::at(scratch.path("parts")).directory().open::<Abc>().unwrap().load().unwrap();
    let error = said(parts.to_rows_blocking().unwrap_err());
    assert!(error.contains("NDJSON file") && error.contains("2.jsonl, line 2, column `a`: `[]`"), "{error}");
}

/// Texts, keys and numbers of random pieces, against the `json` module of Python.
#[test]
fn rows_of_random_values() {
    #[derive(Row, Clone, Debug, PartialEq)]
    struct Odd {
        #[column("a \"b\"\\\u{e9}")]
        text: Option<String>,
        number: Option<i64>,
        large: Option<u64>,
        float: Option<f64>,
        yes: Option<bool>,
    }
    let scratch = Scratch::new();
    let mut random = fastrand::Rng::with_seed(5);
    let pieces = [
        "\"",
        "\\",
        "/",
        "\n",
        "\r",
        "\t",
        "\u{0}",
        "\u{1}",
        "\u{7f}",
        "\u{e9}",
        "\u{1f6eb}",
        "\u{feff}",
        "\u{2028}",
        "a",
        "{",
        ",",
        ":",
    ];
    let rows: Vec<_> = (0..5000)
        .map(|_| Odd {
            text: (random.u8(..8) > 0)
                .then(|| (0..random.usize(..6)).map(|_| pieces[random.usize(..pieces.len())]).collect()),
            number: (random.u8(..4) > 0).then(|| random.i64(..) >> random.u8(..63)),
            large: (random.u8(..4) > 0).then(|| random.u64(..) >> random.u8(..63)),
            float: Some(f64::from_bits(random.u64(..))).filter(|float| float.is_finite()),
            yes: [None, Some(true), Some(false)][random.usize(..3)],
        })
        .collect();
    let repository = Ndjson::create::<Odd>(scratch.path("odd.jsonl")).unwrap();
    repository.save_blocking(&Dataset::from_rows(&rows).unwrap()).unwrap();
    assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows);
    // What another program writes of it, with escapes and without, is the same.
    let copy = "import json, sys
with open(sys.argv[1], encoding='utf-8', newline='\\n') as file:
    rows = [json.loads(line) for line in file]
for ascii in [True, False]:
    with open(sys.argv[2 + ascii], 'w', encoding='utf-8', newline='') as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=ascii, separators=(', ', ' : ')) + '\\r\\n')";
    let (plain, escaped) = (scratch.path("plain.jsonl"), scratch.path("escaped.jsonl"));
    let mut python = std::process::Command::new("python3");
    let python = python.args(["-c", copy]).arg(scratch.path("odd.jsonl")).args([&plain, &escaped]);
    assert!(python.status().unwrap().success());
    for path in [plain, escaped] {
        let loaded = Ndjson::open::<Odd>(&path).unwrap().load().unwrap().to_rows_blocking().unwrap();
        assert_eq!(loaded, rows, "{}", path.display());
    }
}

/// Files that Polars reads by itself, and the same with one more line that it would not read as it stands there.
#[test]
fn plain_files_and_others_are_read_the_same() {
    #[derive(Row, Clone, Debug, PartialEq)]
    struct Mixed {
        tiny: Option<i8>,
        number: Option<i64>,
        large: Option<u64>,
        single: Option<f32>,
        double: Option<f64>,
        text: Option<String>,
        yes: Option<bool>,
        day: Option<NaiveDate>,
        length: Option<chrono::TimeDelta>,
    }
    let scratch = Scratch::new();
    let mut random = fastrand::Rng::with_seed(11);
    // Each value of the first kind is plain in its column; those of the second are read, too.
    let keys: [(&str, &[&str], &[&str]); 11] = [
        ("tiny", &["0", "-128", "127", "null"], &["1.0", "1e1", "-0"]),
        ("number", &["9223372036854775807", "-9223372036854775808", "7"], &["5.0", "2E3"]),
        ("large", &["18446744073709551615", "0"], &["1e3"]),
        ("single", &["0.1", "16777217", "-1e-45", "3.4028234e38", "-0.0"], &["1.00000005960464484", "-0"]),
        (
            "double",
            &["0.30000000000000004", "-0.0", "1e308", "5e-324", "123456789012345678.9"],
            &["-0", "1e-400"],
        ),
        (
            "text",
            &["\"\"", "\"\\ud83d\\udeeb\\u0000\\\\\"", "\"caf\u{e9}\"", "null"],
            &["1.50", "[1, \"a\"]", "true", "{}"],
        ),
        ("yes", &["true", "false"], &["null"]),
        ("day", &["\"2013-01-31\"", "\"0099-12-01\""], &["null"]),
        ("length", &["1500", "-7"], &["3.0"]),
        (
            "other",
            &["{\"a\":[1,\"}\",-2.5e3]}", "[]", "18446744073709551615", "\"1e999\""],
            &["1e999", "[1e400, 0]"],
        ),
        ("\\u006eumber2", &["1"], &["null"]),
    ];
    let (mut by_polars, mut by_rows) = (0, 0);
    for round in 0..100 {
        let odds = if round % 2 == 0 { 0 } else { 10 };
        let end = if random.bool() { "\n" } else { "\n\n" };
        let lines: String = (0..random.usize(1..20))
            .map(|_| {
                let chosen = keys.iter().filter(|_| random.u8(..4) > 0).collect::<Vec<_>>();
                let members = chosen.iter().map(|(key, plain, odd)| {
                    let values = if random.u8(..100) < odds { odd } else { plain };
                    format!("\"{key}\":{}", values[random.usize(..values.len())])
                });
                format!("{{\"number\\u0032\":0,{}}}{end}", members.collect::<Vec<_>>().join(","))
            })
            .collect::<String>()
            .replace(",}", "}");
        let read = |lines: &str| {
            let file = Ndjson::open::<Mixed>(scratch.file("f.jsonl", lines)).unwrap();
            let dataset = file.load().unwrap();
            let plan = dataset.lazy().explain(true).unwrap();
            let frame = dataset.collect_blocking().unwrap();
            let filtered = dataset.lazy().filter(col("number").gt(6)).select([col("single"), col("text")]);
            (!plan.contains("parse JSON"), frame, filtered.collect().unwrap())
        };
        let (plain, frame, filtered) = read(&format!("{{\"yes\":true,\"text\":\"\"}}\n{lines}"));
        let (also, other, other_filtered) =
            read(&format!("{{\"yes\":true,\"text\":\"\",\"x\":1e999}}\n{lines}"));
        assert!(!also && (plain || odds > 0), "{lines}");
        (by_polars, by_rows) = (by_polars + i32::from(plain), by_rows + i32::from(!plain));
        let same = |one: &polars::prelude::DataFrame, other: &polars::prelude::DataFrame| {
            // Also the signs of zeros are the same.
            one.equals_missing(other) && format!("{one:?}") == format!("{other:?}")
        };
        assert!(same(&frame, &other) && same(&filtered, &other_filtered), "{lines}\n{frame}\n{other}");
    }
    assert!(by_polars >= 50 && by_rows > 20, "{by_polars} {by_rows}");
}
