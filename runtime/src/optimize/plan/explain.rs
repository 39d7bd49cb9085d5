//! All that can be said of the plan of a run.

use std::sync::Arc;
use std::time::Duration;

use super::{Applied, Decision, PipelinePlan, Planned};
#[cfg(feature = "polars")]
use crate::optimize::Explained;
use crate::optimize::{Adaptation, Comparison, PassInfo, Prediction};

/// The plan of a run before and after each pass, what they decided and why, and what is predicted; after a run also what its
/// queries shared, and how it went beside what was predicted. Prints as text.
///
/// ```
/// use setl::prelude::*;
///
/// #[derive(Clone)]
/// struct Words(Vec<&'static str>);
///
/// #[factory]
/// fn longest(words: Words) -> Option<usize> {
///     words.0.iter().map(|word| word.len()).max()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let pipeline = Pipeline::builder("words")
///     .input("words", Words(vec!["tea", "coffee"]))
///     .stage("count")
///     .factory_named::<longest>("by_sales", |wiring| wiring)
///     .factory_named::<longest>("by_support", |wiring| wiring)
///     .build()?;
/// let run = pipeline.run();
/// let explanation = run.explain()?;
/// let (pass, decision) = explanation.decisions().next().unwrap();
/// assert_eq!(pass, "merge-identical");
/// assert_eq!(decision.factories, ["by_sales", "by_support"]);
/// println!("{explanation}");
///
/// let run = run.await?;
/// assert_eq!(run.find_named::<Option<usize>>("by_support"), Some(&Some(6)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Explanation {
    pub(super) planned: Arc<Planned>,
    pub(super) passes: Vec<PassInfo>,
    pub(super) prediction: Option<Prediction>,
    pub(super) went: Option<Went>,
}

/// How a run went.
#[derive(Clone, Debug)]
pub(crate) struct Went {
    pub(crate) makespan: Duration,
    pub(crate) adaptations: Vec<Adaptation>,
    pub(crate) comparison: Option<Comparison>,
    #[cfg(feature = "polars")]
    pub(crate) queries: Vec<Explained>,
}

impl Explanation {
    pub(crate) fn new(planned: Arc<Planned>, passes: Vec<PassInfo>, prediction: Option<Prediction>) -> Self {
        Self { planned, passes, prediction, went: None }
    }

    pub(crate) fn went(mut self, went: Went) -> Self {
        self.went = Some(went);
        self
    }

    /// The plan before all passes.
    pub fn before(&self) -> &PipelinePlan {
        &self.planned.before
    }

    /// The plan that is run.
    pub fn after(&self) -> &PipelinePlan {
        self.planned.after()
    }

    /// What each pass over the plan did that is on, in the order in which they were applied.
    pub fn applied(&self) -> &[Applied] {
        &self.planned.applied
    }

    /// All decisions, each with the name of its pass.
    pub fn decisions(&self) -> impl Iterator<Item = (&str, &Decision)> {
        self.applied()
            .iter()
            .flat_map(|applied| applied.decisions.iter().map(|decision| (&*applied.pass, decision)))
    }

    /// All passes, with those over queries and those that are off.
    pub fn passes(&self) -> &[PassInfo] {
        &self.passes
    }

    /// What the run is predicted to cost, if it is to [learn](crate::Runner::learn) and has run before.
    pub fn prediction(&self) -> Option<&Prediction> {
        self.prediction.as_ref()
    }

    /// What was predicted beside what happened, after a run.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.went.as_ref()?.comparison.as_ref()
    }

    /// What was decided anew while the run was on, since outputs were not of the size that was predicted.
    pub fn adaptations(&self) -> &[Adaptation] {
        self.went.as_ref().map_or(&[], |went| &went.adaptations)
    }

    /// The queries that were run together, and what they shared; none before the run.
    #[cfg(feature = "polars")]
    pub fn queries(&self) -> &[Explained] {
        self.went.as_ref().map_or(&[], |went| &went.queries)
    }
}
