//! Delays by carrier, by hour, by age of the aircraft, by weather, by route.

use setl::polars::prelude::*;
use setl::prelude::*;

use super::rows::{
    AgeDelay, Airline, Airport, CarrierDelay, Correlation, Flight, Flown, HourlyDelay, Plane, Route,
    WeatherDelay, WeatheredFlight,
};

/// The year of the flights.
const YEAR: i32 = 2013;

/// How many flights there are, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightCounts {
    /// All that were planned.
    pub all: usize,
    /// Those that left and arrived.
    pub flown: usize,
    /// Those that never left.
    pub cancelled: usize,
}

/// Counts flights before and after cleaning.
#[factory]
pub async fn count_flights(flights: Dataset<Flight>, flown: Dataset<Flown>) -> Result<FlightCounts> {
    let cancelled = flights.filter(Flight::DEP_TIME.is_null());
    Ok(FlightCounts {
        all: flights.materialize().await?.row_count().unwrap_or_default(),
        flown: flown.row_count().unwrap_or_default(),
        cancelled: cancelled.materialize().await?.row_count().unwrap_or_default(),
    })
}

/// How late each airline is, the latest first.
#[factory(output = Dataset<CarrierDelay>)]
pub struct CarrierDelays {
    #[delivery]
    flights: Dataset<Flown>,
    #[delivery(auto_load)]
    airlines: Dataset<Airline>,
    #[delivery]
    target: Repository<CarrierDelay>,
}

impl Factory for CarrierDelays {
    async fn process(&mut self) -> Result<Self::Output> {
        let airlines = self.airlines.lazy().rename(["name"], ["airline"], true);
        let delays = self
            .flights
            .lazy()
            .group_by([Flown::CARRIER.col()])
            .agg([
                len().alias("flights"),
                Flown::DEP_DELAY.col().mean().alias("mean_dep_delay"),
                Flown::ARR_DELAY.col().mean().alias("mean_arr_delay"),
                Flown::LATE.col().mean().alias("share_late"),
            ])
            .join(airlines, [col("carrier")], [col("carrier")], JoinArgs::new(JoinType::Inner))
            .sort_by_exprs([col("mean_dep_delay"), col("airline")], descending([true, false]));
        Dataset::cast(delays)?.materialize().await
    }

    async fn write(&mut self, delays: &Self::Output) -> Result<()> {
        self.target.save(delays).await?;
        Ok(())
    }
}

/// How late flights are at each hour of the day.
#[factory(output = Dataset<HourlyDelay>)]
pub struct HourlyDelays {
    #[delivery]
    flights: Dataset<Flown>,
    #[delivery]
    target: Repository<HourlyDelay>,
}

impl Factory for HourlyDelays {
    async fn process(&mut self) -> Result<Self::Output> {
        let delays = self
            .flights
            .lazy()
            .group_by([Flown::HOUR.col()])
            .agg([
                len().alias("flights"),
                Flown::DEP_DELAY.col().mean().alias("mean_dep_delay"),
                Flown::LATE.col().mean().alias("share_late"),
            ])
            .sort(["hour"], SortMultipleOptions::default());
        Dataset::cast(delays)?.materialize().await
    }

    async fn write(&mut self, delays: &Self::Output) -> Result<()> {
        self.target.save(delays).await?;
        Ok(())
    }
}

/// How late aircraft of each age are, of those whose age is known.
#[factory]
pub async fn delays_by_age(flights: Dataset<Flown>, planes: Dataset<Plane>) -> Result<Dataset<AgeDelay>> {
    let age = lit(YEAR) - Plane::MADE.col();
    let delays = flights
        .lazy()
        .join(planes.lazy(), [col("tailnum")], [col("tailnum")], JoinArgs::new(JoinType::Inner))
        .filter(Plane::MADE.col().is_not_null())
        .with_column(band(age, &[(5, "0-4"), (10, "5-9"), (15, "10-14"), (20, "15-19")], "20+").alias("age"))
        .group_by([col("age")])
        .agg([
            len().alias("flights"),
            Flown::DEP_DELAY.col().mean().alias("mean_dep_delay"),
            Flown::ARR_DELAY.col().mean().alias("mean_arr_delay"),
            Plane::MADE.col().max().alias("youngest"),
        ])
        .sort(["youngest"], SortMultipleOptions::default().with_order_descending(true));
    Dataset::cast(delays)?.materialize().await
}

/// How late flights are by how far one sees.
#[factory(id = Visibility)]
pub async fn delays_by_visibility(flights: Dataset<WeatheredFlight>) -> Result<Dataset<WeatherDelay>> {
    let visib = WeatheredFlight::VISIB;
    let bands = [(1, "below 1 mile"), (3, "1 to 3 miles"), (6, "3 to 6 miles"), (10, "6 to 10 miles")];
    let known = flights.filter(visib.is_not_null()).lazy();
    weather_delays(known.with_column(band(visib.col(), &bands, "10 miles").alias("weather")), visib.col())
        .await
}

/// How late flights are by how much it rains or snows.
#[factory(id = Precipitation)]
pub async fn delays_by_precipitation(flights: Dataset<WeatheredFlight>) -> Result<Dataset<WeatherDelay>> {
    let precip = WeatheredFlight::PRECIP;
    let rain = when(precip.col().eq(lit(0.0)))
        .then(lit("none"))
        .when(precip.col().lt_eq(lit(0.1)))
        .then(lit("light"))
        .otherwise(lit("heavy"));
    let known = flights.filter(precip.is_not_null()).lazy();
    weather_delays(known.with_column(rain.alias("weather")), precip.col()).await
}

/// The id of delays by visibility.
pub struct Visibility;

/// The id of delays by precipitation.
pub struct Precipitation;

async fn weather_delays(flights: LazyFrame, order: Expr) -> Result<Dataset<WeatherDelay>> {
    let delays = flights
        .group_by([col("weather")])
        .agg([
            len().alias("flights"),
            WeatheredFlight::DEP_DELAY.col().mean().alias("mean_dep_delay"),
            order.min().alias("order"),
        ])
        .sort(["order"], SortMultipleOptions::default());
    Dataset::cast(delays)?.materialize().await
}

/// How the delay of departures goes with wind and visibility.
#[factory]
pub async fn weather_correlation(flights: Dataset<WeatheredFlight>) -> Result<Dataset<Correlation>> {
    let delay = WeatheredFlight::DEP_DELAY.col().cast(DataType::Float64);
    let with = |variable: Expr, name: &str| {
        flights.lazy().filter(variable.clone().is_not_null()).select([
            lit(name).alias("variable"),
            len().alias("flights"),
            pearson(delay.clone(), variable).alias("r"),
        ])
    };
    let both = concat(
        [with(WeatheredFlight::WIND_SPEED.col(), "wind_speed"), with(WeatheredFlight::VISIB.col(), "visib")],
        UnionArgs::default(),
    )?;
    Dataset::cast(both)?.materialize().await
}

/// Where flights go, the most frequent destination first.
#[factory]
pub async fn routes(
    flights: Dataset<Flown>,
    #[delivery(auto_load)] airports: Dataset<Airport>,
) -> Result<Dataset<Route>> {
    let airports = airports.lazy().rename(["name"], ["airport"], true);
    let routes = flights
        .lazy()
        .group_by([Flown::DEST.col()])
        .agg([
            len().alias("flights"),
            Flown::ARR_DELAY.col().mean().alias("mean_arr_delay"),
            Flown::DISTANCE.col().mean().alias("mean_distance"),
        ])
        .join(airports, [col("dest")], [col("faa")], JoinArgs::new(JoinType::Left))
        .sort_by_exprs([col("flights"), col("dest")], descending([true, false]));
    Dataset::cast(routes)?.materialize().await
}

/// The first band whose upper bound, which is not part of it, is above the value.
fn band(value: Expr, below: &[(i32, &str)], rest: &str) -> Expr {
    below.iter().rev().fold(lit(rest), |above, &(bound, name)| {
        when(value.clone().lt(lit(bound))).then(lit(name)).otherwise(above)
    })
}

/// Pearson's correlation coefficient of two columns without nulls: covariance over the product of deviations.
fn pearson(x: Expr, y: Expr) -> Expr {
    let (dx, dy) = (x.clone() - x.mean(), y.clone() - y.mean());
    (dx.clone() * dy.clone()).sum() / ((dx.clone() * dx).sum() * (dy.clone() * dy).sum()).sqrt()
}

pub(super) fn descending<const N: usize>(columns: [bool; N]) -> SortMultipleOptions {
    SortMultipleOptions::default().with_order_descending_multi(columns)
}
