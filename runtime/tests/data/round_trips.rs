//! What is saved is what is loaded, in every format.

use crate::scratch::Scratch;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use setl::Row;
use setl::dataset::Dataset;
use setl::storage::{Csv, Memory, Ndjson, Parquet, Repository};

#[derive(Row, Clone, Debug, PartialEq)]
struct Everything {
    int8: i8,
    int16: i16,
    int32: i32,
    int64: i64,
    uint8: u8,
    uint16: u16,
    uint32: u32,
    uint64: u64,
    float32: f32,
    float64: f64,
    boolean: bool,
    text: String,
    date: NaiveDate,
    moment: NaiveDateTime,
    time: NaiveTime,
    delta: TimeDelta,
    maybe_int8: Option<i8>,
    maybe_uint64: Option<u64>,
    maybe_float: Option<f64>,
    maybe_boolean: Option<bool>,
    maybe_text: Option<String>,
    maybe_date: Option<NaiveDate>,
    maybe_moment: Option<NaiveDateTime>,
    maybe_time: Option<NaiveTime>,
    maybe_delta: Option<TimeDelta>,
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn plain() -> Everything {
    let date = day(2013, 1, 31);
    let moment = date.and_hms_micro_opt(23, 59, 59, 123_456).unwrap();
    let time = NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999).unwrap();
    Everything {
        int8: -1,
        int16: -2,
        int32: -3,
        int64: -4,
        uint8: 1,
        uint16: 2,
        uint32: 3,
        uint64: 4,
        float32: 0.1,
        float64: 0.1 + 0.2,
        boolean: true,
        text: "UA".into(),
        date,
        moment,
        time,
        delta: TimeDelta::microseconds(-1),
        maybe_int8: Some(1),
        maybe_uint64: Some(2),
        maybe_float: Some(-0.0),
        maybe_boolean: Some(false),
        maybe_text: Some("x".into()),
        maybe_date: Some(date),
        maybe_moment: Some(moment),
        maybe_time: Some(time),
        maybe_delta: Some(TimeDelta::days(400)),
    }
}

fn extreme(high: bool) -> Everything {
    let either = |low: i64, top: i64| if high { top } else { low };
    let date = if high { day(9999, 12, 31) } else { day(0, 1, 1) };
    let moment = date.and_hms_micro_opt(0, 0, 0, 1).unwrap();
    let time = if high { NaiveTime::from_hms_nano_opt(0, 0, 0, 1).unwrap() } else { NaiveTime::MIN };
    Everything {
        int8: either(i8::MIN.into(), i8::MAX.into()) as i8,
        int16: either(i16::MIN.into(), i16::MAX.into()) as i16,
        int32: either(i32::MIN.into(), i32::MAX.into()) as i32,
        int64: either(i64::MIN, i64::MAX),
        uint8: either(0, u8::MAX.into()) as u8,
        uint16: either(0, u16::MAX.into()) as u16,
        uint32: either(0, u32::MAX.into()) as u32,
        uint64: if high { u64::MAX } else { 0 },
        float32: if high { f32::MAX } else { f32::MIN_POSITIVE },
        float64: if high { f64::MAX } else { 5e-324 },
        boolean: high,
        text: String::new(),
        date,
        moment,
        time,
        delta: TimeDelta::microseconds(either(i64::MIN, i64::MAX)),
        maybe_int8: None,
        maybe_uint64: None,
        maybe_float: None,
        maybe_boolean: None,
        maybe_text: None,
        maybe_date: None,
        maybe_moment: None,
        maybe_time: None,
        maybe_delta: None,
    }
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "é漢🛫",
    "a,b",
    "a;b\tc",
    "say \"no\"",
    "\"",
    "\"\"",
    "two\nlines",
    "two\r\nlines",
    "\n",
    "\r",
    " padded ",
    "NaN",
    "null",
    "NULL",
    "None",
    "0",
    "1.0",
    "true",
    "2013-01-01",
    "#comment",
    "\\",
    "\\n",
    "'",
    "{\"a\":1}",
    "\u{feff}bom",
    "\u{0}zero",
    "\u{2028}",
];

fn finite_rows() -> Vec<Everything> {
    let texts = TEXTS.iter().map(|text| Everything {
        text: (*text).to_owned(),
        maybe_text: Some((*text).to_owned()),
        ..plain()
    });
    [plain(), extreme(true), extreme(false)].into_iter().chain(texts).collect()
}

fn check(repository: &Repository<Everything>, rows: &[Everything]) {
    let saved = repository.save_blocking(&Dataset::from_rows(rows).unwrap()).unwrap();
    assert_eq!(saved, rows.len());
    let loaded = repository.load().unwrap().to_rows_blocking().unwrap();
    assert_eq!(loaded.len(), rows.len(), "{repository}");
    for (loaded, row) in loaded.iter().zip(rows) {
        // NaN is not equal to itself, but is printed alike; -0 is equal to 0, but is printed otherwise.
        assert_eq!(format!("{loaded:?}"), format!("{row:?}"), "{repository}");
    }
}

fn repositories(scratch: &Scratch) -> Vec<Repository<Everything>> {
    vec![
        Memory::empty(),
        Parquet::create(scratch.path("rows.parquet")).unwrap(),
        Csv::create(scratch.path("rows.csv")).unwrap(),
        Csv::at(scratch.path("other.csv")).separator(b';').quote(b'\'').null_values(["NA"]).create().unwrap(),
        Csv::at(scratch.path("bare.csv")).header(false).create().unwrap(),
        Ndjson::create(scratch.path("rows [1]*.jsonl")).unwrap(),
    ]
}

#[test]
fn rows_come_back_as_they_were() {
    let scratch = Scratch::new();
    for repository in repositories(&scratch) {
        check(&repository, &finite_rows());
    }
}

#[test]
fn no_rows_come_back_as_no_rows() {
    let scratch = Scratch::new();
    for repository in repositories(&scratch) {
        check(&repository, &[plain()]);
        check(&repository, &[]);
    }
}

#[test]
fn numbers_that_are_not_finite_come_back_where_the_format_has_them() {
    let scratch = Scratch::new();
    let rows: Vec<_> = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        .map(|odd| Everything { float64: odd, float32: odd as f32, maybe_float: Some(odd), ..plain() })
        .into();
    for repository in repositories(&scratch) {
        if !repository.to_string().starts_with("NDJSON") {
            check(&repository, &rows);
            continue;
        }
        let error = repository.save_blocking(&Dataset::from_rows(&rows).unwrap()).unwrap_err();
        let message = format!("{error:#}");
        assert!(message.contains("column `float64` holds 3 NaN or infinite values"), "{message}");
        assert!(scratch.names().iter().all(|name| !name.contains("setl-tmp") && !name.contains("jsonl")));
    }
}

#[test]
fn years_of_more_than_four_digits_come_back() {
    let scratch = Scratch::new();
    let rows: Vec<_> = [day(-1, 2, 3), day(10_000, 1, 1), day(-200_000, 1, 1), day(200_000, 12, 31)]
        .map(|date| Everything { date, moment: date.and_hms_opt(1, 2, 3).unwrap(), ..plain() })
        .into();
    for repository in repositories(&scratch) {
        check(&repository, &rows);
    }
}

#[derive(Row, Debug, PartialEq)]
struct One {
    only: Option<String>,
}

/// Many rows are read and written in parallel, cut at arbitrary places.
#[test]
fn many_rows_come_back_in_order() {
    let scratch = Scratch::new();
    let rows: Vec<_> = finite_rows().into_iter().cycle().take(20_000).collect();
    let rows: Vec<_> = rows.into_iter().zip(0..).map(|(row, int32)| Everything { int32, ..row }).collect();
    for repository in repositories(&scratch) {
        check(&repository, &rows);
    }
}

/// A row of one null is an empty line, which a reader may take for no row.
#[test]
fn rows_of_one_column_come_back() {
    let scratch = Scratch::new();
    let rows: Vec<_> =
        [None, Some("a"), None, Some(""), None].map(|text| One { only: text.map(String::from) }).into();
    for repository in [
        Parquet::create(scratch.path("one.parquet")).unwrap(),
        Ndjson::create(scratch.path("one.jsonl")).unwrap(),
        Csv::create(scratch.path("one.csv")).unwrap(),
    ] {
        repository.save_blocking(&Dataset::from_rows(&rows).unwrap()).unwrap();
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows, "{repository}");
    }
}

#[derive(Row, Debug, PartialEq)]
struct OneNumber {
    only: Option<i64>,
}

#[test]
fn rows_of_one_number_come_back() {
    let scratch = Scratch::new();
    let rows: Vec<_> = [None, Some(1), None, None].map(|only| OneNumber { only }).into();
    let repository = Csv::create(scratch.path("one.csv")).unwrap();
    repository.save_blocking(&Dataset::from_rows(&rows).unwrap()).unwrap();
    assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows);
}

/// What a reader would take for something else is refused, not changed.
#[test]
fn texts_that_the_options_of_a_csv_file_cannot_express() {
    let scratch = Scratch::new();
    let file = || Csv::at(scratch.path("one.csv"));
    for (file, text, fits) in [
        (file().quote(None), "a,b", false),
        (file().quote(None), "two\nlines", false),
        (file().quote(None), "", false),
        (file().quote(None), "say \"no\"", true),
        (file().null_values(["NA", "-"]), "NA", false),
        (file().null_values(["NA", "-"]), "-", false),
        (file().null_values(["NA", "-"]), "", true),
        (file().comment("#"), "#1", false),
        (file().comment("#"), "1#", true),
    ] {
        let repository = file.create::<One>().unwrap();
        let rows = [One { only: Some("x".into()) }, One { only: Some(text.into()) }, One { only: None }];
        let saved = repository.save_blocking(&Dataset::from_rows(&rows).unwrap());
        if fits {
            saved.unwrap();
            assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows, "{text:?}");
        } else {
            let message = format!("{:#}", saved.unwrap_err());
            assert!(message.contains("column `only` holds 1 ambiguous value"), "{text:?}: {message}");
        }
    }
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Signed {
    id: i64,
    delta: TimeDelta,
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Dated {
    day: NaiveDate,
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Yes {
    yes: bool,
}

/// What begins a line can be taken for a comment, be it a text or not.
#[test]
fn values_that_look_like_comments_are_refused() {
    fn check<T: Row + Clone + PartialEq + std::fmt::Debug>(prefix: &str, rows: &[T], refused: Option<usize>) {
        let scratch = Scratch::new();
        let file = Csv::at(scratch.path("f.csv")).comment(prefix);
        let repository = file.create::<T>().unwrap();
        let saved = repository.save_blocking(&Dataset::from_rows(rows).unwrap());
        match refused {
            None => {
                saved.unwrap();
                assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows);
            }
            Some(count) => {
                let message = format!("{:#}", saved.unwrap_err());
                assert!(message.contains(&format!("holds {count} ambiguous value")), "{message}");
                assert!(!scratch.path("f.csv").exists());
            }
        }
    }
    let signed = [-5, 5, -55].map(|id| Signed { id, delta: TimeDelta::microseconds(-id) });
    check("-", &signed, Some(2));
    check("--", &signed, None);
    check("5", &signed, Some(1));
    check("#", &signed, None);
    check("20", &[Dated { day: day(2013, 1, 31) }, Dated { day: day(1999, 1, 31) }], Some(1));
    check("t", &[Yes { yes: true }, Yes { yes: false }], Some(1));
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Hashed {
    #[column("#id")]
    id: i64,
    #[column("a,b\n\"c\" ")]
    odd: String,
}

#[test]
fn headers_that_would_not_come_back_are_refused() {
    let scratch = Scratch::new();
    let rows = [Hashed { id: 1, odd: "x".into() }, Hashed { id: 2, odd: "y".into() }];
    let set = Dataset::from_rows(&rows).unwrap();
    let at = || Csv::at(scratch.path("f.csv"));
    for file in [at().comment("#"), at().quote(None)] {
        let error = file.create::<Hashed>().unwrap().save_blocking(&set).unwrap_err();
        let message = format!("{error:#}");
        assert!(
            message.contains("the header `#id") && message.contains("read back as something else"),
            "{message}"
        );
    }
    for file in [at(), at().comment("--"), at().comment("#").header(false)] {
        let repository = file.create::<Hashed>().unwrap();
        repository.save_blocking(&set).unwrap();
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows);
    }
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Gaps {
    text: Option<String>,
    number: Option<i64>,
    day: Option<NaiveDate>,
}

#[test]
fn nulls_that_would_be_empty_texts_are_refused() {
    let scratch = Scratch::new();
    let empty = Gaps { text: Some(String::new()), number: None, day: Some(day(2013, 1, 31)) };
    let at = || Csv::at(scratch.path("f.csv")).empty_as_null(false);
    let save = |repository: &Repository<Gaps>, rows: &[Gaps]| {
        repository.save_blocking(&Dataset::from_rows(rows).unwrap()).map_err(|error| format!("{error:#}"))
    };
    let plain = at().create().unwrap();
    for (row, column) in
        [(Gaps { text: None, ..empty.clone() }, "text"), (Gaps { day: None, ..empty.clone() }, "day")]
    {
        let message = save(&plain, &[empty.clone(), row.clone()]).unwrap_err();
        assert!(message.contains(&format!("column `{column}` holds 1 ambiguous value")), "{message}");
        let with_null = at().null_values(["NA"]).create().unwrap();
        let rows = [empty.clone(), row];
        save(&with_null, &rows).unwrap();
        assert_eq!(with_null.load().unwrap().to_rows_blocking().unwrap(), rows);
    }
    save(&plain, std::slice::from_ref(&empty)).unwrap();
    assert_eq!(plain.load().unwrap().to_rows_blocking().unwrap(), [empty]);
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Patterns {
    #[column("*")]
    star: TimeDelta,
    #[column("^t.*$")]
    day: NaiveDate,
    text: String,
    #[column("^.*$")]
    delta: TimeDelta,
}

#[test]
fn names_that_look_like_patterns_are_names() {
    let scratch = Scratch::new();
    let row = |text: &str, number| Patterns {
        star: TimeDelta::microseconds(number),
        day: day(2013, 1, 31),
        text: text.into(),
        delta: TimeDelta::microseconds(-number),
    };
    let rows = [row("a", 1), row("b", 2)];
    for repository in [
        Csv::create(scratch.path("f.csv")).unwrap(),
        Csv::at(scratch.path("g.csv")).header(false).create().unwrap(),
        Ndjson::create(scratch.path("f.jsonl")).unwrap(),
        Parquet::create(scratch.path("f.parquet")).unwrap(),
        Parquet::at(scratch.path("g.parquet")).cast().create().unwrap(),
    ] {
        repository.save_blocking(&Dataset::from_rows(&rows).unwrap()).unwrap();
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), rows, "{repository}");
        let found = repository.find_by(Patterns::DELTA.eq(TimeDelta::microseconds(-2))).unwrap();
        assert_eq!(found.to_rows_blocking().unwrap(), rows[1..], "{repository}");
    }
}
