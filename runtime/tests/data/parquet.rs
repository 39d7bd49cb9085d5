//! Parquet files of other programs: casts, types without a field, and names.

use std::path::{Path, PathBuf};

use crate::scratch::Scratch;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use polars::prelude::*;
use setl::Error;
use setl::dataset::Dataset;
use setl::prelude::*;
use setl::storage::Memory;

macro_rules! rows {
    ($($row:ident: $value:ty),*) => {$(
        #[derive(Row, Debug, PartialEq)]
        struct $row {
            a: $value,
        }

        impl $row {
            #[allow(dead_code, reason = "not every type is asked")]
            fn values(rows: Vec<Self>) -> Vec<$value> {
                rows.into_iter().map(|row| row.a).collect()
            }
        }
    )*};
}

rows!(Int: Option<i64>, Small: Option<i8>, Unsigned: Option<u64>, Bool: Option<bool>, Single: Option<f32>);
rows!(Double: Option<f64>, Text: Option<String>, Day: Option<NaiveDate>, Moment: Option<NaiveDateTime>);
rows!(Clock: Option<NaiveTime>);

fn written(scratch: &Scratch, values: Series) -> PathBuf {
    let path = scratch.path("a.parquet");
    let mut frame = DataFrame::new(values.len(), vec![values.with_name("a".into()).into()]).unwrap();
    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    path
}

/// What the file's column is as `T`, or the error, from the file and from a frame.
fn cast<T: Row + PartialEq + std::fmt::Debug>(values: Series) -> Result<Vec<T>, String> {
    let scratch = Scratch::new();
    let frame = values.clone().with_name("a".into()).into_frame().lazy();
    let of_frame = Dataset::<T>::cast(frame).and_then(|cast| cast.to_rows_blocking());
    let path = written(&scratch, values);
    let rows = Parquet::at(&path).cast().open::<T>().unwrap().load().and_then(|rows| rows.to_rows_blocking());
    match (rows, of_frame) {
        (Ok(rows), Ok(of_frame)) => {
            assert_eq!(rows, of_frame);
            Ok(rows)
        }
        (Err(error), Err(of_frame)) => {
            let text = format!("{error:#}");
            assert!(text.contains("a.parquet") && text.contains("column `a`"), "{text}");
            assert!(format!("{of_frame:#}").contains("column `a`"), "{of_frame:#}");
            Err(text)
        }
        (rows, of_frame) => panic!("{rows:?} from the file, {of_frame:?} from the frame"),
    }
}

fn check_lost<T: Row + PartialEq + std::fmt::Debug>(values: Series, said: &str) {
    let error = cast::<T>(values).unwrap_err();
    assert!(error.contains("does not survive the cast") && error.contains(said), "{error}");
}

fn series<A: AsRef<[T]>, T>(values: A) -> Series
where
    Series: NamedFrom<A, [T]>,
{
    Series::new("a".into(), values)
}

fn moment(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn millis(values: &[i64]) -> Series {
    series(values).cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap()
}

#[test]
fn values_that_a_cast_loses_make_the_query_fail() {
    check_lost::<Int>(series([1.0, 2.7]), "2.7");
    check_lost::<Int>(series([f64::NAN]), "NaN");
    check_lost::<Bool>(series([0_i64, 2]), "2");
    check_lost::<Bool>(series([0_i64, -1]), "-1");
    check_lost::<Bool>(series([0.5]), "0.5");
    check_lost::<Single>(series([1e300]), "inf");
    check_lost::<Single>(series([1e-300]), "becomes 0");
    check_lost::<Double>(series([(1_i64 << 53) + 1]), "9007199254740993");
    check_lost::<Double>(series([u64::MAX]), "18446744073709551615");
    check_lost::<Single>(series([16_777_217_i32]), "16777217");
    check_lost::<Moment>(millis(&[0, i64::MAX]), "null");
    check_lost::<Day>(millis(&[36_000_000]), "10:00");
    check_lost::<Double>(series(["1e999"]), "1e999");
    check_lost::<Small>(series([128_i64]), "128");
    check_lost::<Unsigned>(series([-1_i64]), "-1");
    check_lost::<Int>(series(["1", "x"]), "x");
    for text in ["2013-01-31 10:00", "31.01.2013", ""] {
        let error = cast::<Day>(series([text])).unwrap_err();
        assert!(
            error.contains(&format!("`{text}` is not of Date, expected the like of `2013-01-31`")),
            "{error}"
        );
    }
}

#[test]
fn values_that_survive_are_cast() {
    assert_eq!(Int::values(cast(series([Some(1.0), None, Some(-0.0)])).unwrap()), [Some(1), None, Some(0)]);
    assert_eq!(Bool::values(cast(series([0_i64, 1])).unwrap()), [Some(false), Some(true)]);
    assert_eq!(Double::values(cast(series([1_i64 << 53])).unwrap()), [Some(9_007_199_254_740_992.0)]);
    assert_eq!(Single::values(cast(series([0.1, 0.0])).unwrap()), [Some(0.1), Some(0.0)]);
    let [nan] = Single::values(cast::<Single>(series([f64::INFINITY])).unwrap())[..] else { panic!() };
    assert_eq!(nan, Some(f32::INFINITY));
    assert_eq!(Text::values(cast(series([7_i64])).unwrap()), [Some("7".into())]);
    assert_eq!(Small::values(cast(series([Some(-128_i64), None])).unwrap()), [Some(-128), None]);
    assert_eq!(Day::values(cast(millis(&[86_400_000])).unwrap()), [NaiveDate::from_ymd_opt(1970, 1, 2)]);
    assert_eq!(Day::values(cast(series(["2013-01-31"])).unwrap()), [NaiveDate::from_ymd_opt(2013, 1, 31)]);
    let nanos = series([1_500_i64]).cast(&DataType::Datetime(TimeUnit::Nanoseconds, None)).unwrap();
    assert_eq!(Moment::values(cast(nanos).unwrap()), [Some(moment("1970-01-01T00:00:00.000001"))]);
}

#[test]
fn a_text_with_an_offset_is_brought_to_utc() {
    let texts = [
        "2013-01-31T01:30:00+02:00",
        "2013-01-31T01:30:00",
        "2013-01-31 01:30:00-0500",
        "2013-01-31T01:30:00Z",
    ];
    let utc = ["2013-01-30T23:30:00", "2013-01-31T01:30:00", "2013-01-31T06:30:00", "2013-01-31T01:30:00"];
    let found = Moment::values(cast(series(texts)).unwrap());
    assert_eq!(found, utc.map(|text| Some(moment(text))));
    let error = cast::<Moment>(series(["soon"])).unwrap_err();
    assert!(error.contains("`soon` is not of Datetime"), "{error}");
    let nine = Clock::values(cast(series(["09:00:00", "23:59:59.5"])).unwrap());
    assert_eq!(nine, [NaiveTime::from_hms_opt(9, 0, 0), NaiveTime::from_hms_milli_opt(23, 59, 59, 500)]);
}

#[test]
fn a_struct_is_no_text() {
    let pair = df!("x" => [1_i64]).unwrap().into_struct("a".into()).into_series();
    let list = Series::new("a".into(), [series([1_i64])]);
    for values in [pair, list] {
        let error = cast::<Text>(values).unwrap_err();
        assert!(error.contains("expected String, found"), "{error}");
    }
}

/// Polars would take the numbers by which it stores a value.
#[test]
fn categories_and_moments_are_no_numbers() {
    fn check<T: Row>(values: &Series, reason: &str) {
        let frame = values.clone().with_name("a".into()).into_frame();
        let of_frame = Dataset::<T>::cast(frame.lazy()).unwrap_err();
        let scratch = Scratch::new();
        let path = written(&scratch, values.clone());
        let of_file = Parquet::at(&path).cast().open::<T>().unwrap().load().unwrap_err();
        for error in [of_frame, of_file] {
            let text = format!("{error:#}");
            assert!(text.contains("column `a`: expected ") && text.contains(reason), "{text}");
        }
    }
    let letters = series(["2", "1"]);
    let listed = FrozenCategories::new(["1", "2"]).unwrap();
    for dtype in [DataType::from_categories(Categories::global()), DataType::from_frozen_categories(listed)] {
        let categories = letters.cast(&dtype).unwrap();
        check::<Int>(&categories, "a category is a text: cast it to one");
        check::<Unsigned>(&categories, "a category is a text: cast it to one");
        check::<Day>(&categories, "a category is a text: cast it to one");
        assert_eq!(Text::values(cast(categories).unwrap()), [Some("2".into()), Some("1".into())]);
    }
    let unit = "a number does not say what it counts: make it ";
    for numbers in [series([1_700_000_000_i64]), series([1_700_000_000_u32]), series([1.5e9]), series([true])]
    {
        check::<Moment>(&numbers, unit);
        check::<Day>(&numbers, unit);
        check::<Clock>(&numbers, unit);
    }
    let what = "a number does not say what it counts: choose a unit";
    check::<Int>(&millis(&[5]), what);
    check::<Double>(&series([5]).cast(&DataType::Date).unwrap(), what);
    check::<Int>(&series([5_i64]).cast(&DataType::Duration(TimeUnit::Milliseconds)).unwrap(), what);
    let never = cast::<Text>(series([i32::MAX]).cast(&DataType::Date).unwrap()).unwrap_err();
    assert!(never.contains("2147483647 days after 1970 is no date of the calendar"), "{never}");
    assert_eq!(
        Text::values(cast(series([1]).cast(&DataType::Date).unwrap()).unwrap()),
        [Some("1970-01-02".into())]
    );
}

fn of_others(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files").join(name)
}

#[derive(Row, Debug, PartialEq)]
struct Id {
    id: i64,
}

#[test]
fn columns_without_a_type_for_fields_do_not_matter_unless_they_are_declared() {
    for name in ["kinds.parquet", "decimal256.parquet", "interval.parquet"] {
        let ids = Parquet::open::<Id>(of_others(name)).unwrap().load();
        match ids.and_then(|ids| ids.to_rows_blocking()) {
            Ok(rows) => assert_eq!(rows[0], Id { id: 1 }, "{name}"),
            Err(error) => {
                let text = format!("{error:#}");
                let of_name = if name == "interval.parquet" {
                    "column `span` of INTERVAL"
                } else {
                    "column `decimal` of Decimal"
                };
                assert!(name != "kinds.parquet" && text.contains(of_name), "{text}");
                let says =
                    [name, "column", "a type that Polars does not know; write the file without that column"];
                assert!(says.iter().all(|part| text.contains(part)), "{text}");
            }
        }
    }
}

#[derive(Row, Debug, PartialEq)]
struct Kinds {
    half: f32,
    decimal: Option<f64>,
    category: String,
    zoned: NaiveDateTime,
    time: NaiveTime,
    nothing: Option<i64>,
    u8: i64,
}

#[test]
fn columns_of_other_types_are_cast() {
    let rows = Parquet::at(of_others("kinds.parquet")).cast().open::<Kinds>().unwrap().load().unwrap();
    let rows = rows.to_rows_blocking().unwrap();
    assert_eq!((rows[0].half, rows[0].decimal, rows[0].category.as_str()), (1.5, Some(1.1), "x"));
    assert_eq!((rows[1].decimal, rows[1].nothing, rows[1].u8), (None, None, 255));
    assert_eq!(rows[0].zoned, moment("1970-01-01T00:00:00"));
}

#[derive(Row, Debug)]
struct Wide {
    wide_decimal: Option<f64>,
}

#[test]
fn a_decimal_that_a_float_cannot_hold_does_not_survive() {
    let wide = Parquet::at(of_others("kinds.parquet")).cast().open::<Wide>().unwrap().load().unwrap();
    let error = format!("{:#}", wide.to_rows_blocking().unwrap_err());
    assert!(error.contains("column `wide_decimal`") && error.contains("does not survive"), "{error}");
}

#[derive(Row, Debug)]
struct At {
    at: NaiveDateTime,
}

#[test]
fn a_moment_beyond_nanoseconds_does_not_survive() {
    let at = Parquet::at(of_others("int96.parquet")).cast().open::<At>().unwrap().load().unwrap();
    let error = format!("{:#}", at.to_rows_blocking().unwrap_err());
    assert!(error.contains("int96.parquet") && error.contains("column `at`"), "{error}");
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Odd {
    #[column("*")]
    star: i64,
    #[column("^.*$")]
    pattern: Option<String>,
    #[column("a\"b'c")]
    quoted: f64,
    #[column("é, b\n")]
    other: i64,
}

#[test]
fn names_of_columns_are_names() {
    let scratch = Scratch::new();
    let row = |star| Odd { star, pattern: Some("p".into()), quoted: 0.5, other: -1 };
    let repositories: Vec<Repository<Odd>> = vec![
        Parquet::create(scratch.path("odd.parquet")).unwrap(),
        Parquet::at(scratch.path("cast.parquet")).cast().create().unwrap(),
        Parquet::at(scratch.path("odd")).directory().create().unwrap(),
        Memory::empty(),
    ];
    for repository in repositories {
        repository.save_blocking(&Dataset::from_rows(&[row(1)]).unwrap()).unwrap();
        let more = Dataset::from_rows(&[row(2), row(3)]).unwrap().filter(Odd::STAR.gt(2));
        repository.clone().append().save_blocking(&more).unwrap();
        assert_eq!(repository.load().unwrap().to_rows_blocking().unwrap(), [row(1), row(3)], "{repository}");
        let found = repository.find_by(Odd::PATTERN.eq("p") & Odd::STAR.gt(1)).unwrap();
        assert_eq!(found.to_rows_blocking().unwrap(), [row(3)], "{repository}");
        let stars = found.into_lazy().select([Odd::STAR.col()]).collect().unwrap();
        assert_eq!((stars.width(), stars.height()), (1, 1), "{repository}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_says_so() {
    let scratch = Scratch::new();
    let path = scratch.path("link.parquet");
    std::os::unix::fs::symlink("gone.parquet", &path).unwrap();
    let error = Parquet::open::<Id>(&path).unwrap_err().to_string();
    assert!(error.ends_with("does not exist: it is a link to gone.parquet, which is not there"), "{error}");
}

#[test]
fn a_target_that_is_not_there_yet_is_empty() {
    let scratch = Scratch::new();
    let repositories: Vec<Repository<Id>> = vec![
        Parquet::create(scratch.path("a.parquet")).unwrap(),
        Parquet::at(scratch.path("parts")).directory().create().unwrap(),
        Csv::create(scratch.path("a.csv")).unwrap(),
        Ndjson::create(scratch.path("a.jsonl")).unwrap(),
        Memory::empty(),
    ];
    for repository in repositories {
        assert!(!repository.exists().unwrap(), "{repository}");
        let before = repository.load_or_empty().unwrap();
        let new = Dataset::new(
            concat([before.lazy(), df!("id" => [7_i64]).unwrap().lazy()], UnionArgs::default()).unwrap(),
        );
        repository.save_blocking(&new.unwrap()).unwrap();
        assert!(repository.exists().unwrap(), "{repository}");
        assert_eq!(
            repository.load_or_empty().unwrap().to_rows_blocking().unwrap(),
            [Id { id: 7 }],
            "{repository}"
        );
    }
    // What is there and cannot be read is not taken for nothing.
    let damaged: Repository<Id> = Parquet::open(scratch.file("damaged.parquet", "PAR1")).unwrap();
    assert!(damaged.load_or_empty().is_err());
}

/// A dry run finds what a real run would.
mod dry {
    use super::*;

    #[factory]
    fn read_ids(source: Repository<Id>) -> Result<Dataset<Id>> {
        source.load()
    }

    #[factory(output = Dataset<Id>, id = Saved)]
    struct SaveIds {
        #[delivery]
        read_ids: Dataset<Id>,
        #[delivery(id = Target)]
        target: Repository<Id>,
    }

    struct Target;
    struct Saved;

    impl Factory for SaveIds {
        async fn process(&mut self) -> Result<Dataset<Id>> {
            Ok(self.read_ids.filter(Id::ID.gt(0)))
        }

        async fn write(&mut self, ids: &Dataset<Id>) -> Result<()> {
            self.target.save(ids).await?;
            Ok(())
        }
    }

    #[pipeline(extract(read_ids), load(SaveIds))]
    struct Job {
        source: Repository<Id>,
        #[delivery(id = Target)]
        target: Repository<Id>,
    }

    async fn check(content: &str, expected: Result<usize, &str>) {
        let scratch = Scratch::new();
        let job = || Job {
            source: Csv::open(scratch.file("ids.csv", content)).unwrap(),
            target: Parquet::create(scratch.path("out.parquet")).unwrap(),
        };
        for dry in [true, false] {
            let run = if dry { job().run().no_write().await } else { job().run().await };
            match (run, expected) {
                (Ok(run), Ok(rows)) => {
                    let report = run.report().to_string();
                    assert!(!dry || report.contains(&format!(" {rows} ")), "{report}");
                }
                (Err(error), Err(said)) => {
                    let text = format!("{:#}", Error::from(error));
                    assert!(
                        text.contains(said) && text.contains("ids.csv") && text.contains("SaveIds"),
                        "{text}"
                    );
                }
                (run, expected) => {
                    panic!("dry: {dry}, {:?}, {expected:?}", run.map(|run| run.report().to_string()))
                }
            }
            assert_eq!(scratch.path("out.parquet").exists(), !dry && expected.is_ok());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_dry_run_computes_what_it_does_not_write() {
        check("id\n1\n2\n-1\n", Ok(2)).await;
        check("id\n1\nseven\n", Err("seven")).await;
    }

    #[tokio::test]
    async fn a_dry_run_on_one_thread() {
        check("id\n1\n", Ok(1)).await;
        check("id\n1\nx1\n", Err("x1")).await;
    }
}
