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
mod graph;
mod learning;
mod optimizer;
pub mod plan;
#[cfg(feature = "polars")]
pub(crate) mod queries;

pub use adapt::{Adaptation, PredictedAnew};
pub use learning::Learning;
pub use optimizer::{Optimizer, Pass, PassInfo, PassName};
pub use plan::{Explanation, PlanPass};
#[cfg(feature = "polars")]
pub use queries::{Explained, SharedPart};
#[doc(inline)]
pub use setl_learn::{
    Basis, CachedOutput, ChoiceRecord, Comparison, Decision, Drift, Estimate, FactoryGraph, FactoryRecord,
    FactoryStatus, FileRecord, Graph, History, HistoryError, Interval, Keeping, LookupRecord, Model,
    Prediction, Predictor, ReadRecord, Recommendation, RunRecord, Sizes, SubplanRecord, choice, choose,
    history, model, predict, recommend, simulate,
};
