//! Delays of the flights that left New York City in 2013: by carrier, by hour, by age of the aircraft, by weather.
//!
//! `rows` are the tables, `extract` reads them, `clean` prepares them, `figures` and `report` compute from them.

pub mod clean;
pub mod extract;
pub mod figures;
pub mod report;
pub mod rows;

use setl::prelude::*;

use clean::{clean_flights, clean_weather, join_weather};
use extract::{read_flights, read_planes, read_weather};
use figures::{
    CarrierDelays, HourlyDelays, count_flights, delays_by_age, delays_by_precipitation, delays_by_visibility,
    routes, weather_correlation,
};
use report::AirlineReport;
use rows::{Airline, AirlineDelay, Airport, CarrierDelay, Flight, HourlyDelay, Plane, Weather};

/// From how many minutes on a departure counts as late.
#[derive(Clone, Copy, Debug)]
pub struct LateAfter(pub i32);

/// Who flies late from New York, when, in what, and in which weather.
#[pipeline(
    extract(read_flights, read_planes, read_weather),
    transform(
        clean_flights,
        clean_weather,
        join_weather,
        count_flights,
        delays_by_age,
        delays_by_visibility,
        delays_by_precipitation,
        weather_correlation,
        routes,
    ),
    load(CarrierDelays, HourlyDelays, AirlineReport)
)]
pub struct Flights {
    /// One row for each flight.
    pub flights: Repository<Flight>,
    /// Names of the airlines.
    pub airlines: Repository<Airline>,
    /// Names of the airports.
    pub airports: Repository<Airport>,
    /// When each aircraft was made.
    pub planes: Repository<Plane>,
    /// The weather of each hour at each airport.
    pub weather: Repository<Weather>,
    /// What counts as late.
    pub late_after: LateAfter,
    /// Where the delays by carrier go.
    pub carrier_delays: Repository<CarrierDelay>,
    /// Where the delays by hour go.
    pub hourly_delays: Repository<HourlyDelay>,
    /// Where the report goes.
    pub report: Repository<AirlineDelay>,
}

impl Flights {
    /// Reads the tables in `data`, and writes to `target`.
    ///
    /// # Errors
    /// When a table is not in `data`, or `target` cannot be made.
    pub fn between(data: &std::path::Path, target: &std::path::Path) -> Result<Self> {
        let csv = |name: &str| Csv::at(data.join(name)).null_values(["NA"]);
        Ok(Self {
            flights: Parquet::open(data.join("flights.parquet"))?,
            airlines: csv("airlines.csv").open()?,
            airports: csv("airports.csv").open()?,
            planes: csv("planes.csv").open()?,
            weather: Parquet::open(data.join("weather.parquet"))?,
            late_after: LateAfter(15),
            carrier_delays: Parquet::create(target.join("carrier_delays.parquet"))?,
            hourly_delays: Csv::create(target.join("hourly_delays.csv"))?,
            report: Parquet::create(target.join("report.parquet"))?,
        })
    }
}
