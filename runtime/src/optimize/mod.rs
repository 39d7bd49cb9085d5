//! What a pipeline costs, learned from its runs, and which way of running it costs least.
//!
//! | for | see |
//! |---|---|
//! | what earlier runs cost, in a file | [`History`] |
//! | what the next run costs | [`Predictor`], [`Prediction`], [`Comparison`] |
//! | one quantity as a function of a size | [`Model`] |
//! | the makespan of a plan, from the time of each factory | [`simulate()`] |
//! | which of several ways to run it | [`choose`] |
//! | learning from runs, and what came of a prediction | [`Learning`], [`Learned`](crate::run::Learned) |
//! | what the optimiser may do | [`Optimizer`], [`Pass`] |
//! | whose outputs are cached, by what they cost | [`CachePolicy::by_cost`](crate::cache::CachePolicy::by_cost), [`Keeping`] |
//! | what has become slower than it was | [`Drift`] |

pub mod choice;
pub mod drift;
pub mod history;
pub mod keeping;
mod learning;
pub mod model;
mod optimizer;
pub mod predict;
#[cfg(feature = "polars")]
pub(crate) mod queries;
pub mod simulate;

pub use choice::{Decision, choose};
pub use drift::Drift;
pub use history::{FactoryRecord, FileRecord, History, HistoryError, RunRecord, SubplanRecord};
pub use keeping::Keeping;
pub use learning::Learning;
pub use model::{Basis, Estimate, Interval, Model};
pub use optimizer::{Optimizer, Pass};
pub use predict::{Comparison, Prediction, Predictor, Sizes};
#[cfg(feature = "polars")]
pub use queries::{Explained, SharedPart};
pub use simulate::{Graph, simulate};
