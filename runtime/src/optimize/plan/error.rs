//! What a pass cannot do.

/// Why a pass could not change the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no factory of this name.
    #[error("pipeline `{pipeline}` has no factory `{factory}`{near}")]
    UnknownFactory {
        /// The pipeline.
        pipeline: String,
        /// The name that was asked for.
        factory: String,
        /// What may have been meant, or what there is.
        near: String,
    },
    /// Factories would wait for each other.
    #[error(
        "`{before}` cannot run before `{after}` in pipeline `{pipeline}`, since factories would wait for each other in a cycle: \
         {}; leave this order out, or turn it round",
        cycle.join(" <- ")
    )]
    Cycle {
        /// The pipeline.
        pipeline: String,
        /// What was to go first.
        before: String,
        /// What was to wait for it.
        after: String,
        /// Who would wait for whom: each for the next.
        cycle: Vec<String>,
    },
    /// Nothing can be put in order by what is no number.
    #[error("the priority of factory `{factory}` of pipeline `{pipeline}` is no number: give a finite one")]
    NoPriority {
        /// The pipeline.
        pipeline: String,
        /// The factory.
        factory: String,
    },
}
