//! What the benches share: the graphs that every contender runs, and the arithmetic of the tables.

pub mod shape;
pub mod stats;
