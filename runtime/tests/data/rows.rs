//! What `#[derive(Row)]` accepts, and what datasets of rows guarantee.

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, LazyFrame, TimeUnit, col, df, lit};
use setl::Row;
use setl::dataset::{Column, DataError, Dataset, Value};
use setl::delivery::Inspect;

/// Names of the derive's own must not meet those of the user.
mod hygiene {
    #![allow(dead_code, reason = "the names are there to be in the way")]
    struct Result;
    struct Option;
    struct Vec;
    struct Some;
    struct Ok;
    trait Layout {}

    #[derive(setl::Row)]
    pub(super) struct Odd<__T: setl::dataset::Value> {
        pub(super) layout: __T,
        pub(crate) column_0: ::std::option::Option<i8>,
        row: ::std::string::String,
        r#type: u8,
        #[cfg(feature = "polars")]
        _1: u8,
        #[cfg(not(feature = "polars"))]
        gone: usize,
        größe: f32,
    }
}

#[test]
fn every_struct_with_named_fields() {
    use hygiene::Odd;
    let names: Vec<_> = Odd::<u64>::columns().iter().map(|column| column.name).collect();
    assert_eq!(names, ["layout", "column_0", "row", "type", "_1", "größe"]);
    let layout: Column<Odd<u64>, u64> = Odd::LAYOUT;
    assert_eq!((layout.name(), Odd::<u64>::COLUMN_0.name(), Odd::<u64>::NAME), ("layout", "column_0", "Odd"));
    assert_eq!(Odd::<NaiveDate>::schema().get("layout"), Some(&DataType::Date));
}

#[derive(Row, Clone, Debug, PartialEq)]
#[row(rename_all = "SCREAMING-KEBAB-CASE")]
struct Pair<L, R>
where
    L: Value,
    R: Value,
{
    left_hand: L,
    #[column(name = "right hand")]
    right_hand: R,
}

#[test]
fn renamed_and_generic() {
    let rows =
        [Pair { left_hand: 1_u8, right_hand: Some("x".to_owned()) }, Pair { left_hand: 2, right_hand: None }];
    let frame = Pair::to_frame(&rows).unwrap();
    assert_eq!(frame.get_column_names(), ["LEFT-HAND", "right hand"]);
    let shuffled = frame.select(["right hand", "LEFT-HAND"]).unwrap();
    assert_eq!(Pair::<u8, Option<String>>::from_frame(&shuffled).unwrap(), rows);
}

fn check<T>(frame: DataFrame, parts: &[&str])
where
    T: Row,
{
    let message = Dataset::<T>::try_from(frame).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Flight {
    carrier: String,
    delay: Option<f64>,
    at: Option<NaiveTime>,
    lasting: TimeDelta,
}

fn flight(carrier: &str, delay: Option<f64>) -> Flight {
    Flight {
        carrier: carrier.into(),
        delay,
        at: NaiveTime::from_hms_opt(1, 2, 3),
        lasting: TimeDelta::minutes(90),
    }
}

#[test]
fn all_columns_that_differ_are_named_at_once() {
    check::<Flight>(
        df!("Carrier" => ["UA"], "delay" => ["1"], "at" => [1_i64], "lasting" => [1_i64]).unwrap(),
        &[
            "dataset of `Flight`: 4 columns differ from the row",
            "column `carrier`: expected String, but there is no such column, did you mean `Carrier`?",
            "column `delay`: expected Float64, found String; convert it with `col(\"delay\").strict_cast(DataType::Float64)`",
            "`col(\"lasting\").strict_cast(DataType::Duration(TimeUnit::Microseconds))`",
        ],
    );
    let frame = Flight::to_frame(&[flight("UA", None)]).unwrap().drop("carrier").unwrap();
    check::<Flight>(
        frame,
        &["column `carrier`: expected String, but there is no such column; there is `delay`, `at`"],
    );
    check::<Flight>(DataFrame::empty(), &["there is no column at all"]);
}

#[test]
fn a_dataset_has_the_columns_of_its_row_in_order() {
    let frame = Flight::to_frame(&[flight("UA", None)]).unwrap();
    let wide =
        frame.lazy().select([lit(1).alias("gate"), col("lasting"), col("at"), col("delay"), col("carrier")]);
    let dataset = Dataset::<Flight>::new(wide).unwrap();
    assert_eq!(dataset.collect_blocking().unwrap().get_column_names(), ["carrier", "delay", "at", "lasting"]);
    let lazy: LazyFrame = dataset.into();
    assert_eq!(Inspect::rows(&lazy), None);
    assert_eq!(Inspect::rows(&lazy.collect().unwrap()), Some(1));
}

#[test]
fn a_failing_query_names_the_dataset() {
    let failing = df!("n" => ["1", "x"]).unwrap().lazy().with_column(col("n").strict_cast(DataType::Int64));
    #[derive(Row)]
    struct Number {
        n: i64,
    }
    let mut dataset = Dataset::<Number>::new(failing).unwrap();
    dataset.set_origin("read_numbers");
    let error = dataset.filter(Number::N.gt(0)).to_rows_blocking().map(|rows| rows[0].n).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dataset of `Number` delivered by factory `read_numbers` cannot be computed"
    );
    assert!(format!("{error:#}").contains("conversion from `str` to `i64` failed"));
    assert!(matches!(error.downcast_ref(), Some(DataError::Query { .. })));
    let unknown = df!("n" => [1_i64]).unwrap().lazy().select([col("m")]);
    assert!(
        Dataset::<Number>::new(unknown).unwrap_err().to_string().starts_with("dataset of `Number` cannot be")
    );
}

#[test]
fn what_does_not_fit_is_said_and_not_bent() {
    let mut row = flight("UA", None);
    row.lasting = TimeDelta::MAX;
    let error = Flight::to_frame(&[flight("UA", None), row]).unwrap_err();
    assert!(error.to_string().starts_with("dataset of `Flight`: column `lasting`, row 1: "), "{error}");

    #[derive(Row, Debug)]
    struct Day {
        day: NaiveDate,
    }
    let far =
        df!("day" => [0, i32::MAX]).unwrap().lazy().with_column(col("day").cast(DataType::Date)).collect();
    let error = Day::from_frame(&far.unwrap()).unwrap_err();
    assert!(error.to_string().contains("column `day`, row 1: 2147483647 days"), "{error}");
    assert_eq!(Day::DAY.name(), "day");
}

#[test]
fn every_comparison() {
    let rows = [
        flight("UA", Some(20.0)),
        flight("DL", None),
        flight("AA", Some(-3.0)),
        flight("B6", Some(f64::NAN)),
    ];
    let dataset = Dataset::from_rows(&rows).unwrap();
    let late = NaiveTime::from_hms_opt(23, 0, 0).unwrap();
    let none: [f64; 0] = [];
    for (condition, expected) in [
        (Flight::DELAY.gt(0.0), "UA B6"),
        (Flight::DELAY.gt_eq(20.0), "UA B6"),
        (Flight::DELAY.lt(0.0), "AA"),
        (Flight::DELAY.lt_eq(-3.0), "AA"),
        (Flight::DELAY.eq(20.0), "UA"),
        (Flight::DELAY.eq(f64::NAN), "B6"),
        (Flight::DELAY.neq(20.0), "AA B6"),
        (Flight::DELAY.between(-3.0, 20.0), "UA AA"),
        (Flight::DELAY.is_in([20.0, -3.0]), "UA AA"),
        (Flight::DELAY.is_in(none), ""),
        (Flight::DELAY.is_null(), "DL"),
        (Flight::DELAY.is_not_null(), "UA AA B6"),
        (!Flight::DELAY.gt(0.0), "AA"),
        (Flight::CARRIER.eq("UA") | Flight::CARRIER.eq("DL".to_owned()), "UA DL"),
        (Flight::CARRIER.is_in(["UA", "AA"]) & Flight::DELAY.lt(0.0), "AA"),
        (Flight::CARRIER.gt("B"), "UA DL B6"),
        (Flight::AT.lt(late) & Flight::LASTING.eq(TimeDelta::minutes(90)), "UA DL AA B6"),
        (Flight::LASTING.is_in([TimeDelta::minutes(90)]) & Flight::AT.gt(late), ""),
    ] {
        let text = condition.to_string();
        let found = dataset.clone().filter(condition).to_rows_blocking().unwrap();
        let found: Vec<_> = found.iter().map(|flight| flight.carrier.as_str()).collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
    let impossible = dataset.filter(Flight::LASTING.lt(TimeDelta::MAX)).collect_blocking().unwrap_err();
    assert!(format!("{impossible:#}").contains("does not fit"), "{impossible:#}");
}

#[test]
fn conditions_read_well() {
    let condition = (Flight::CARRIER.eq("UA") | Flight::DELAY.is_null()) & !Flight::DELAY.between(1.0, 2.5);
    assert_eq!(
        condition.to_string(),
        "((carrier = \"UA\") or (delay is null)) and not (delay between 1.0 and 2.5)"
    );
    assert_eq!(Flight::LASTING.lt(TimeDelta::minutes(90)).to_string(), "lasting < 1h 30m");
    let expr: Expr = Flight::DELAY.into();
    assert_eq!(expr, col("delay"));
}

#[test]
fn what_a_dataset_prints() {
    let mut dataset = Dataset::from_rows(&[flight("UA", None)]).unwrap();
    dataset.set_origin("read_flights");
    assert_eq!(dataset.to_string(), "dataset of `Flight` delivered by factory `read_flights`, 1 row");
    assert_eq!(dataset.filter(Flight::DELAY.is_null()).row_count(), None);
    assert_eq!(Flight::schema().get("lasting"), Some(&DataType::Duration(TimeUnit::Microseconds)));
}
