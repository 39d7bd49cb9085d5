//! The plan of a whole pipeline before it runs, the passes that rewrite it, and their explanation.
//!
//! | for | see |
//! |---|---|
//! | the plan: factories, inputs, deliveries, dependencies | [`PipelinePlan`], [`PlannedFactory`] |
//! | a pass of your own | [`PlanPass`], [`Optimizer::pass`](super::Optimizer::pass) |
//! | the decision of a pass, with its reason | [`PassDecision`] |
//! | the whole explanation, before or after a run | [`Explanation`], [`RunBuilder::explain`](crate::RunBuilder::explain), [`Report::explain`](crate::Report::explain) |
//!
//! Passes change when factories start, which of them run, and which of them share an output. They never change a result.
//!
//! ```
//! use setl::optimize::Optimizer;
//! use setl::optimize::plan::{PassDecision, PipelinePlan, PlanPass};
//! use setl::prelude::*;
//!
//! #[factory]
//! fn rates() -> f64 {
//!     1.1
//! }
//!
//! #[factory(id = Slow)]
//! fn archive() -> u64 {
//!     7
//! }
//!
//! struct Slow;
//!
//! #[pipeline(extract(archive, rates))]
//! struct Daily;
//!
//! /// The service for rates is fastest while nobody else is busy.
//! struct RatesFirst;
//!
//! impl PlanPass for RatesFirst {
//!     fn name(&self) -> &str {
//!         "rates-first"
//!     }
//!
//!     fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
//!         plan.order("rates", "archive")?;
//!         Ok(vec![PassDecision::new(["rates", "archive"], "`rates` is fastest while nobody else is busy")])
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let run = Daily.run().optimizer(Optimizer::new().pass(RatesFirst));
//! println!("{}", run.explain()?);
//! let run = run.await?;
//! let start = |name| run.entry(name).map(|entry| entry.timing.start);
//! assert!(start("rates") <= start("archive"));
//! # Ok(())
//! # }
//! ```

mod decision;
mod diagram;
mod edit;
mod error;
mod explain;
mod graph;
mod lower;
mod of;
mod passes;
mod show;

use std::sync::Arc;

pub use petgraph;

pub use decision::{Gain, PassDecision};
pub use diagram::PlanDiagram;
pub use error::PlanError;
pub use explain::Explanation;
pub(crate) use explain::Went;
pub use graph::{Fate, PipelinePlan, PlanEdge, PlanNode, PlannedFactory};
pub(crate) use lower::Lowered;
pub(crate) use of::{FactoryFacts, Facts};
pub(crate) use passes::{built_in, waiting};

use super::{Optimizer, Pass};
use crate::Result;

/// A pass over the plan of a pipeline: it inspects the plan, changes it, and reports its decisions.
///
/// A pass may [prefer](PipelinePlan::prefer) a factory, or put one [before](PipelinePlan::order) another; the executor follows.
/// It sees the changes of the passes before it. It is applied before each run, so keep it fast. For an example see the
/// [module](self).
pub trait PlanPass: Send + Sync {
    /// The name of the pass, in settings and explanations.
    fn name(&self) -> &str;

    /// A short description for lists of passes.
    fn about(&self) -> &str {
        "a pass of this program"
    }

    /// Changes the plan, and returns the decisions. Empty if the pass does nothing.
    ///
    /// # Errors
    /// When the pass cannot do its work. The run then does not start, and reports the error.
    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>>;
}

/// The result of one pass.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// The name of the pass.
    pub pass: String,
    /// The decisions of the pass, with their reasons.
    pub decisions: Vec<PassDecision>,
    /// The plan after the pass, if the pass has changed it.
    pub plan: Option<Arc<PipelinePlan>>,
}

/// A plan with the results of the passes.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) before: Arc<PipelinePlan>,
    pub(crate) applied: Vec<Applied>,
}

impl Planned {
    /// The plan after all passes.
    pub(crate) fn after(&self) -> &Arc<PipelinePlan> {
        self.applied.iter().rev().find_map(|applied| applied.plan.as_ref()).unwrap_or(&self.before)
    }
}

/// Applies the passes that are on.
///
/// # Errors
/// When a pass fails. Each error is a sentence.
pub(crate) fn optimize(optimizer: &Optimizer, facts: &Facts<'_>) -> Result<Planned, Vec<String>> {
    let mut mistakes = optimizer.mistakes();
    let mut plan = PipelinePlan::of(facts);
    let mut planned = Planned { before: Arc::new(plan.clone()), applied: Vec::new() };
    if !optimizer.has(Pass::Prune) {
        // The selection holds, even if all passes are off.
        passes::leave_out_what_was_not_asked_for(&mut plan);
        planned.before = Arc::new(plan.clone());
    }
    for pass in optimizer.plan_passes() {
        let before = plan.revision();
        match pass.apply(&mut plan) {
            Ok(decisions) => planned.applied.push(Applied {
                pass: pass.name().to_owned(),
                decisions,
                plan: (plan.revision() != before).then(|| Arc::new(plan.clone())),
            }),
            Err(error) => mistakes.push(format!("pass `{}` of the optimiser: {error:#}", pass.name())),
        }
    }
    if mistakes.is_empty() { Ok(planned) } else { Err(mistakes) }
}
