//! The cost of a pipeline, learned from its runs, and the cheapest way to run it.
//!
//! | for | see |
//! |---|---|
//! | the cost of earlier runs, in a file | [`History`] |
//! | the cost of the next run | [`Predictor`], [`Prediction`], [`Comparison`] |
//! | one quantity as a function of a size | [`Model`] |
//! | the makespan of a plan, from the time of each factory | [`simulate()`] |
//! | the choice between several ways to run it | [`choose`] |
//! | learning from runs, and the quality of a prediction | [`Learning`], [`LearningReport`](crate::LearningReport)(LearningReport) |
//! | the settings of the optimiser | [`Optimizer`], [`Pass`] |
//! | the plan of a pipeline, and its changes by passes | [`plan`] |
//! | the outputs to cache, by their cost | [`CachePolicy::by_cost`](crate::cache::CachePolicy::by_cost), [`CacheDecision`] |
//! | factories that have become slower | [`Drift`] |
//! | recommended changes of the pipeline | [`recommend()`] |

pub(crate) mod adapt;
mod explained;
mod graph;
pub(crate) mod in_run;
mod learning;
mod optimizer;
pub mod plan;
pub(crate) mod together;

pub use adapt::{Adaptation, RevisedPrediction};
pub use learning::Learning;

/// Tells the preparation of a run that queries can be run together.
pub(crate) struct GathersQueries;

pub use optimizer::{Optimizer, Pass, PassInfo, PassName};
pub use plan::{Explanation, PlanPass};
#[doc(inline)]
pub use setl_learn::{
    Basis, CacheDecision, CachedOutput, ChoiceRecord, Comparison, Decision, Drift, Estimate, FactoryGraph,
    FactoryRecord, FactoryStatus, FileRecord, Graph, History, HistoryError, Interval, LookupRecord, Model,
    Prediction, Predictor, ReadRecord, Recommendation, RunRecord, Sizes, SubplanRecord, choice, choose,
    history, model, predict, recommend, simulate,
};
pub use together::{Explained, SharedPart};
