//! Faults of every kind, at every point of the life of every factory of several pipelines, under every policy.
//!
//! What comes of each run is compared with a model, which knows nothing of the executor: see `model.rs`. A script says
//! what goes wrong in which try of which factory: see `script.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, missing_docs, reason = "its parts are public to each other")]

mod case;
mod check;
mod factories;
mod grid;
mod model;
mod payload;
mod random;
mod script;
mod watch;
mod writes;
