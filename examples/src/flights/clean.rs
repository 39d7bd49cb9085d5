//! Prepares the tables for the figures.

use setl::polars::prelude::*;
use setl::prelude::*;

use super::LateAfter;
use super::rows::{Flight, Flown, Weather, WeatheredFlight};

/// No wind near New York has been faster, in miles per hour: what is, is an error of the station.
const FASTEST_WIND: f64 = 200.0;

/// What goes by the id of the weather after cleaning.
pub struct Clean;

/// The flights that left and arrived. All figures are made from them, so they are computed once.
#[factory]
pub async fn clean_flights(flights: Dataset<Flight>, late_after: LateAfter) -> Result<Dataset<Flown>> {
    let flown = flights
        .filter(Flight::DEP_DELAY.is_not_null() & Flight::ARR_DELAY.is_not_null())
        .lazy()
        .with_column(Flight::DEP_DELAY.col().gt(lit(late_after.0)).alias("late"));
    Dataset::new(flown)?.materialize().await
}

/// The weather without wind speeds that cannot be.
#[factory(id = Clean)]
pub fn clean_weather(weather: Dataset<Weather>) -> Result<Dataset<Weather>> {
    let wind = Weather::WIND_SPEED.col();
    let plausible = when(wind.clone().gt(lit(FASTEST_WIND))).then(lit(NULL)).otherwise(wind);
    Dataset::new(weather.lazy().with_column(plausible.alias(Weather::WIND_SPEED.name())))
}

/// Each flight with the weather of its hour. Stays lazy: each figure reads the columns it needs.
#[factory]
pub fn join_weather(
    flights: Dataset<Flown>,
    #[delivery(id = Clean)] weather: Dataset<Weather>,
) -> Result<Dataset<WeatheredFlight>> {
    let key = [col("origin"), col("time_hour")];
    let joined = flights.lazy().join(weather.lazy(), &key, &key, JoinArgs::new(JoinType::Left));
    Dataset::new(joined)
}
