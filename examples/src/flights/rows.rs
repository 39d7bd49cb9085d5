//! The tables: what is read, what goes from one factory to the next, and what is written.
//!
//! A table may have more columns than its row; those are never read.

use setl::chrono::NaiveDateTime;
use setl::prelude::*;

/// A flight as it was recorded.
#[derive(Row, Clone, Debug)]
pub struct Flight {
    /// Actual departure, as hours and minutes in one number; none if the flight was cancelled.
    pub dep_time: Option<i32>,
    /// Minutes; negative if early.
    pub dep_delay: Option<i32>,
    /// Minutes; negative if early. None if the flight did not arrive as planned.
    pub arr_delay: Option<i32>,
    /// Code of the airline.
    pub carrier: String,
    /// The aircraft.
    pub tailnum: Option<String>,
    /// Code of the airport.
    pub origin: String,
    /// Code of the airport.
    pub dest: String,
    /// Miles.
    pub distance: i32,
    /// Hour of the scheduled departure, local.
    pub hour: i32,
    /// The same hour in UTC, with its date.
    pub time_hour: NaiveDateTime,
}

/// An airline.
#[derive(Row, Clone, Debug)]
pub struct Airline {
    /// Its code.
    pub carrier: String,
    /// Its name.
    pub name: String,
}

/// An airport.
#[derive(Row, Clone, Debug)]
pub struct Airport {
    /// Its code.
    pub faa: String,
    /// Its name.
    pub name: String,
}

/// An aircraft.
#[derive(Row, Clone, Debug)]
pub struct Plane {
    /// What flights know it by.
    pub tailnum: String,
    /// When it was made.
    #[column("year")]
    pub made: Option<i32>,
}

/// The weather at an airport in one hour.
#[derive(Row, Clone, Debug)]
pub struct Weather {
    /// Code of the airport.
    pub origin: String,
    /// UTC.
    pub time_hour: NaiveDateTime,
    /// Miles per hour.
    pub wind_speed: Option<f64>,
    /// Inches.
    pub precip: f64,
    /// Miles.
    pub visib: f64,
}

/// A flight that left and arrived.
#[derive(Row, Clone, Debug)]
pub struct Flown {
    /// Minutes; negative if early.
    pub dep_delay: i32,
    /// Minutes; negative if early.
    pub arr_delay: i32,
    /// Whether it left late.
    pub late: bool,
    /// Code of the airline.
    pub carrier: String,
    /// The aircraft.
    pub tailnum: Option<String>,
    /// Code of the airport.
    pub origin: String,
    /// Code of the airport.
    pub dest: String,
    /// Miles.
    pub distance: i32,
    /// Hour of the scheduled departure, local.
    pub hour: i32,
    /// The same hour in UTC, with its date.
    pub time_hour: NaiveDateTime,
}

/// A flight with the weather at its departure, where that is known.
#[derive(Row, Clone, Debug)]
pub struct WeatheredFlight {
    /// Code of the airline.
    pub carrier: String,
    /// The aircraft.
    pub tailnum: Option<String>,
    /// Code of the airport.
    pub origin: String,
    /// Minutes; negative if early.
    pub dep_delay: i32,
    /// Miles per hour.
    pub wind_speed: Option<f64>,
    /// Inches.
    pub precip: Option<f64>,
    /// Miles.
    pub visib: Option<f64>,
}

/// How late one airline is.
#[derive(Row, Clone, Debug)]
pub struct CarrierDelay {
    /// Its code.
    pub carrier: String,
    /// Its name.
    pub airline: String,
    /// Flights flown.
    pub flights: u32,
    /// Minutes.
    pub mean_dep_delay: f64,
    /// Minutes.
    pub mean_arr_delay: f64,
    /// From 0 to 1.
    pub share_late: f64,
}

/// How late flights are at one hour of the day.
#[derive(Row, Clone, Debug)]
pub struct HourlyDelay {
    /// Of the scheduled departure, local.
    pub hour: i32,
    /// Flights flown.
    pub flights: u32,
    /// Minutes.
    pub mean_dep_delay: f64,
    /// From 0 to 1.
    pub share_late: f64,
}

/// How late aircraft of one age are.
#[derive(Row, Clone, Debug)]
pub struct AgeDelay {
    /// In years.
    pub age: String,
    /// Flights flown.
    pub flights: u32,
    /// Minutes.
    pub mean_dep_delay: f64,
    /// Minutes.
    pub mean_arr_delay: f64,
}

/// How late flights are in one sort of weather.
#[derive(Row, Clone, Debug)]
pub struct WeatherDelay {
    /// The sort of weather.
    pub weather: String,
    /// Flights flown.
    pub flights: u32,
    /// Minutes.
    pub mean_dep_delay: f64,
}

/// How the delay of departures goes with the weather.
#[derive(Row, Clone, Debug)]
pub struct Correlation {
    /// What it is correlated with.
    pub variable: String,
    /// Flights for which it is known.
    pub flights: u32,
    /// Pearson's coefficient, from -1 to 1.
    pub r: f64,
}

/// Flights to one airport.
#[derive(Row, Clone, Debug)]
pub struct Route {
    /// Its code.
    pub dest: String,
    /// Its name, if it is a known airport.
    pub airport: Option<String>,
    /// Flights flown.
    pub flights: u32,
    /// Minutes.
    pub mean_arr_delay: f64,
    /// Miles.
    pub mean_distance: f64,
}

/// One airline at one airport of New York.
#[derive(Row, Clone, Debug)]
pub struct AirlineDelay {
    /// Its name.
    pub airline: String,
    /// Code of the airport.
    pub origin: String,
    /// Flights flown.
    pub flights: u32,
    /// Minutes by which departures were late, all together.
    pub total_delay: i64,
    /// Minutes.
    pub mean_dep_delay: f64,
    /// Years, over flights with an aircraft whose age is known.
    pub mean_age: Option<f64>,
    /// From 0 to 1, over flights whose weather is known.
    pub share_bad_weather: Option<f64>,
}
