//! The explanation of the plan of a run.

use std::sync::Arc;
use std::time::Duration;

use super::{Applied, PassDecision, PipelinePlan, Planned};
use crate::optimize::Explained;
use crate::optimize::{Adaptation, Comparison, PassInfo, Prediction};

/// The plan of a run before and after each pass, the decisions with their reasons, and the prediction. After a run, it also has
/// the shared parts of queries, and the comparison with the prediction. Prints as text.
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

/// The data that is known only after a run.
#[derive(Clone, Debug)]
pub(crate) struct Went {
    pub(crate) makespan: Duration,
    pub(crate) adaptations: Vec<Adaptation>,
    pub(crate) comparison: Option<Comparison>,
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

    /// The plan after all passes.
    pub fn after(&self) -> &PipelinePlan {
        self.planned.after()
    }

    /// The result of each pass over the plan that is on, in the order in which they were applied.
    pub fn applied(&self) -> &[Applied] {
        &self.planned.applied
    }

    /// All decisions, each with the name of its pass.
    pub fn decisions(&self) -> impl Iterator<Item = (&str, &PassDecision)> {
        self.applied()
            .iter()
            .flat_map(|applied| applied.decisions.iter().map(|decision| (&*applied.pass, decision)))
    }

    /// All passes, including those over queries and those that are off.
    pub fn passes(&self) -> &[PassInfo] {
        &self.passes
    }

    /// The prediction for the run, if it [learns](crate::RunBuilder::learn) and has run before.
    pub fn prediction(&self) -> Option<&Prediction> {
        self.prediction.as_ref()
    }

    /// The prediction compared with the measurements, after a run.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.went.as_ref()?.comparison.as_ref()
    }

    /// The decisions that were made again during the run because the size of an output differed from its prediction.
    pub fn adaptations(&self) -> &[Adaptation] {
        self.went.as_ref().map_or(&[], |went| &went.adaptations)
    }

    /// The queries that were run together, with their shared parts. Empty before the run.
    pub fn queries(&self) -> &[Explained] {
        self.went.as_ref().map_or(&[], |went| &went.queries)
    }
}
