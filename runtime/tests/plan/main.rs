//! What the optimiser makes of the plan of a pipeline.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adapting;
mod equivalence;
mod explaining;
mod merging;
mod own;
mod pruning;
mod shop;
