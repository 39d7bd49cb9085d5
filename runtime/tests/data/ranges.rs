//! Dates, moments and times that a column holds and a field does not, and those that a field holds and a column does not.

use crate::scratch::Scratch;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use polars::prelude::*;
use setl::dataset::{DataError, Dataset};
use setl::prelude::*;
use setl::storage::Memory;

#[derive(Row, Clone, Debug, PartialEq)]
struct Dated {
    n: i64,
    day: Option<NaiveDate>,
    at: Option<NaiveDateTime>,
    time: Option<NaiveTime>,
}

const MOMENT: DataType = DataType::Datetime(TimeUnit::Microseconds, None);

/// Three rows, of which the second has these numbers in its columns.
fn frame(day: i32, at: i64, time: i64) -> DataFrame {
    let day = Series::new("day".into(), [Some(0), Some(day), None]).cast(&DataType::Date).unwrap();
    let at = Series::new("at".into(), [Some(0), Some(at), None]).cast(&MOMENT).unwrap();
    let time = Series::new("time".into(), [Some(0), Some(time), None]).cast(&DataType::Time).unwrap();
    df!("n" => [1_i64, 2, 3], "day" => day, "at" => at, "time" => time).unwrap()
}

fn out_of_range() -> [(DataFrame, &'static str, &'static str); 3] {
    [
        (frame(i32::MAX, 0, 0), "day", "2147483647 days since 1970-01-01 do not fit into a `NaiveDate`"),
        (frame(-2_000_000_000, 0, 0), "day", "-2000000000 days since"),
        (frame(0, i64::MAX, 0), "at", "9223372036854775807 microseconds since 1970-01-01 do not fit"),
    ]
}

fn extremes() -> DataFrame {
    let day = (NaiveDate::MAX - NaiveDate::default()).num_days() as i32;
    frame(day, NaiveDateTime::MIN.and_utc().timestamp_micros(), 86_399_999_999_999)
}

/// The same rows from everywhere that a dataset of them can come from.
fn everywhere(mut rows: DataFrame, scratch: &Scratch) -> Vec<Dataset<Dated>> {
    let path = scratch.path("dated.parquet");
    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut rows).unwrap();
    vec![
        Dataset::try_from(rows.clone()).unwrap(),
        Dataset::new(rows.clone().lazy().filter(lit(true))).unwrap(),
        Dataset::cast(rows.lazy().with_column(col("n").cast(DataType::Int32))).unwrap(),
        Parquet::open(&path).unwrap().load().unwrap(),
    ]
}

#[test]
fn no_way_round_a_value_that_no_field_holds() {
    for (rows, column, reason) in out_of_range() {
        let scratch = Scratch::new();
        for bad in everywhere(rows, &scratch) {
            let check = |what: &str, error: &dyn std::fmt::Display| {
                let text = format!("{error:#}");
                let said = [&format!("column `{column}`"), reason, "dataset of `Dated`"];
                assert!(said.iter().all(|part| text.contains(*part)), "{what} of {bad}: {text}");
            };
            let row = bad.collect_blocking().unwrap_err();
            check("collect", &row);
            assert!(row.to_string().contains(&format!("column `{column}`, row 1: ")), "{row}");
            check("to_rows", &bad.to_rows_blocking().unwrap_err());
            check("materialize", &bad.clone().materialize_blocking().unwrap_err());
            for engine in [Engine::InMemory, Engine::Streaming] {
                let run =
                    |query: LazyFrame| query.collect_with_engine(engine).map(|done| done.unwrap_single());
                check("cast", &run(bad.lazy().select([col(column).cast(DataType::Int64)])).unwrap_err());
                check("max", &run(bad.lazy().select([col(column).max()])).unwrap_err());
                check("group", &run(bad.lazy().group_by([col(column)]).agg([len()])).unwrap_err());
                // What does not read it is not asked for it.
                assert_eq!(run(bad.lazy().select([col("n").sum()])).unwrap().height(), 1);
            }
            for (name, put) in [
                ("memory", Memory::new::<Dated>(&[]).unwrap()),
                ("csv", Csv::create(scratch.path("out.csv")).unwrap()),
                ("ndjson", Ndjson::create(scratch.path("out.ndjson")).unwrap()),
                ("parquet", Parquet::create(scratch.path("out.parquet")).unwrap()),
            ] {
                let put: Repository<Dated> = put;
                check(name, &put.save_blocking(&bad).unwrap_err());
            }
            let targets = scratch.names().into_iter().filter(|name| name.starts_with("out"));
            assert_eq!(targets.count(), 0, "nothing that was refused is there");
        }
    }
}

#[test]
fn the_first_and_the_last_value_of_a_field_are_there() {
    let scratch = Scratch::new();
    for good in everywhere(extremes(), &scratch) {
        let rows = good.to_rows_blocking().unwrap();
        assert_eq!(rows[1].day, Some(NaiveDate::MAX));
        assert_eq!(rows[1].at, Some(NaiveDateTime::MIN));
        assert_eq!(rows[1].time, NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999));
        assert_eq!(good.lazy().collect().unwrap().height(), 3);
        let put = Parquet::create::<Dated>(scratch.path("out.parquet")).unwrap();
        assert_eq!(put.save_blocking(&good).unwrap(), 3);
    }
}

#[test]
fn a_leap_second_does_not_become_another_second() {
    let leap = NaiveDate::from_ymd_opt(2016, 12, 31).unwrap().and_hms_milli_opt(23, 59, 59, 1_500).unwrap();
    let row = |at, time| Dated { n: 0, day: None, at, time };
    let plain = row(Some(NaiveDateTime::default()), Some(NaiveTime::MIN));
    for (bad, column, reason) in [
        (row(Some(leap), None), "at", "the leap second 2016-12-31 23:59:60.500 does not fit into a Datetime"),
        (row(None, Some(leap.time())), "time", "the leap second 23:59:60.500 does not fit into a Time"),
        (row(None, NaiveTime::from_hms_milli_opt(12, 0, 59, 1_000)), "time", "the leap second 12:00:60"),
    ] {
        let error = Dated::to_frame(&[plain.clone(), bad.clone()]).unwrap_err();
        assert!(matches!(&error, DataError::OutOfRange { index: Some(1), .. }), "{error}");
        assert!(error.to_string().contains(&format!("column `{column}`, row 1: {reason}")), "{error}");
        assert!(Dataset::from_rows(&[plain.clone(), bad]).is_err());
    }
    let texts =
        df!("n" => [1_i64], "day" => ["2016-12-31"], "at" => ["2016-12-31T23:59:60"], "time" => ["12:00:00"]);
    let error = Dataset::<Dated>::cast(texts.unwrap().lazy()).unwrap().to_rows_blocking().unwrap_err();
    assert!(
        format!("{error:#}").contains("column `at`: `2016-12-31T23:59:60` is not of Datetime"),
        "{error:#}"
    );
    // In a condition, too.
    let rows = Dataset::from_rows(&[plain]).unwrap();
    let error = rows.filter(Dated::AT.eq(leap)).to_rows_blocking().unwrap_err();
    assert!(format!("{error:#}").contains("the leap second"), "{error:#}");
}
