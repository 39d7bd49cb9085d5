//! Runs that take what earlier ones have computed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod choosing;
mod damage;
mod effects;
mod killed;
mod office;
mod stale;
mod whole;
