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
//! | the plan of a pipeline, what passes make of it, and why | [`plan`] |
//! | whose outputs are cached, by what they cost | [`CachePolicy::by_cost`](crate::cache::CachePolicy::by_cost), [`Keeping`] |
//! | what has become slower than it was | [`Drift`] |
//! | what to change in the pipeline | [`recommend()`] |

pub(crate) mod adapt;
#[cfg(any(feature = "polars", test))]
pub(crate) mod advisor;
pub mod choice;
pub mod drift;
pub mod history;
pub mod keeping;
mod learning;
pub mod model;
mod optimizer;
pub mod plan;
pub mod predict;
#[cfg(feature = "polars")]
pub(crate) mod queries;
pub mod recommend;
pub mod simulate;

pub use adapt::{Adaptation, PredictedAnew};
pub use choice::{Decision, choose};
pub use drift::Drift;
pub use history::{
    ChoiceRecord, FactoryRecord, FileRecord, History, HistoryError, LookupRecord, ReadRecord, RunRecord,
    SubplanRecord,
};
pub use keeping::Keeping;
pub use learning::Learning;
pub use model::{Basis, Estimate, Interval, Model};
pub use optimizer::{Optimizer, Pass, PassInfo, PassName};
pub use plan::{Explanation, PlanPass};
pub use predict::{Comparison, Prediction, Predictor, Sizes};
#[cfg(feature = "polars")]
pub use queries::{Explained, SharedPart};
pub use recommend::{Recommendation, recommend};
pub use simulate::{Graph, simulate};
