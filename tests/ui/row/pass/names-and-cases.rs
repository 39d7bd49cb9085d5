#![deny(warnings, missing_docs)]
#![allow(unreachable_pub, reason = "a test includes this file")]
//! Column names by field, by option and by case.
use setl::prelude::*;

/// A flight.
#[derive(Row, Debug, Clone, PartialEq)]
#[row(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct Flight {
    /// Minutes.
    pub dep_delay: f64,
    /// What the airline is called.
    #[column("carrier")]
    pub airline: String,
    /// A keyword.
    pub r#type: Option<i32>,
}

pub(crate) fn main() {
    let names: Vec<_> = Flight::columns().iter().map(|column| column.name.to_string()).collect();
    assert_eq!(names, ["DEP_DELAY", "carrier", "TYPE"]);
    assert_eq!(Flight::AIRLINE.name(), "carrier");
    assert_eq!(Flight::TYPE.name(), "TYPE");
}
