//! Runs that take what earlier ones have computed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changes;
mod choosing;
mod damage;
mod effects;
mod inputs;
mod killed;
mod nested;
mod office;
mod stale;
mod whole;
