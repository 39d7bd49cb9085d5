//! The errors of changes to a plan.

/// An error of a change to the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No factory has this name.
    #[error("pipeline `{pipeline}` has no factory `{factory}`{near}")]
    UnknownFactory {
        /// The pipeline.
        pipeline: String,
        /// The name that was given.
        factory: String,
        /// Similar names, or all names.
        near: String,
    },
    /// The factories would wait for each other.
    #[error(
        "`{before}` cannot run before `{after}` in pipeline `{pipeline}`, since factories would wait for each other in a cycle: \
         {}; leave this order out, or turn it round",
        cycle.join(" <- ")
    )]
    Cycle {
        /// The pipeline.
        pipeline: String,
        /// The factory that was to run first.
        before: String,
        /// The factory that was to wait for it.
        after: String,
        /// The cycle: each factory would wait for the next.
        cycle: Vec<String>,
    },
    /// The priority is not a finite number.
    #[error("the priority of factory `{factory}` of pipeline `{pipeline}` is no number: give a finite one")]
    NoPriority {
        /// The pipeline.
        pipeline: String,
        /// The factory.
        factory: String,
    },
}
