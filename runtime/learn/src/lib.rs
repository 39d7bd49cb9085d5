//! The cost of pipelines, learned from their runs.
//!
//! | for | see |
//! |---|---|
//! | the records of earlier runs, in an SQLite file | [`History`] |
//! | the cost of the next run | [`Predictor`], [`Prediction`], [`Comparison`] |
//! | one quantity as a function of a size | [`Model`] |
//! | the makespan of a plan, from the time of each factory | [`simulate()`] |
//! | the choice between several ways to run it | [`choose`], [`advisor`] |
//! | outputs that are worth caching | [`keeping`] |
//! | a factory that has become slower | [`Drift`] |
//! | changes of a pipeline that pay | [`recommend()`] |
//!
//! A pipeline is identified by the names of its factories and by [their dependencies](FactoryGraph). This crate does not run
//! pipelines.

pub mod advisor;
pub mod choice;
pub mod drift;
pub mod history;
pub mod keeping;
pub mod model;
pub mod predict;
pub mod recommend;
pub mod simulate;

pub use choice::{Decision, choose};
pub use drift::Drift;
pub use history::{
    ChoiceRecord, FactoryRecord, FactoryStatus, FileRecord, History, HistoryError, LookupRecord, ReadRecord,
    RunRecord, SubplanRecord,
};
pub use keeping::CacheDecision;
pub use model::{Basis, Estimate, Interval, Model};
pub use predict::{Comparison, Prediction, Predictor, Sizes};
pub use recommend::{CachedOutput, Recommendation, recommend};
pub use simulate::{FactoryGraph, Graph, simulate};
