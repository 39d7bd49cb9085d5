//! Runs that take up what earlier ones have left.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod daily;
mod killed;
mod parts;
mod stale;
mod told;
mod varying;
mod whole;
