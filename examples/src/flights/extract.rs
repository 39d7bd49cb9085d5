//! Opens the tables that several factories need. Nothing is read yet: the queries that follow decide what.

use setl::prelude::*;

use super::rows::{Flight, Plane, Weather};

/// All flights.
#[factory]
pub fn read_flights(flights: Repository<Flight>) -> Result<Dataset<Flight>> {
    flights.load()
}

/// All aircraft.
#[factory]
pub fn read_planes(planes: Repository<Plane>) -> Result<Dataset<Plane>> {
    planes.load()
}

/// The weather of all hours.
#[factory]
pub fn read_weather(weather: Repository<Weather>) -> Result<Dataset<Weather>> {
    weather.load()
}
