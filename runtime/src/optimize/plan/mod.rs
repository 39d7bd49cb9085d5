//! The plan of a whole pipeline before it runs, the passes that rewrite it, and what they say of it.
//!
//! | for | see |
//! |---|---|
//! | the plan: factories, inputs, what is delivered, what waits | [`PipelinePlan`], [`PlannedFactory`] |
//! | a pass of one's own | [`PlanPass`], [`Optimizer::pass`](super::Optimizer::pass) |
//! | what a pass did and why | [`Decision`] |
//! | all of it, before a run or after | [`Explanation`], [`Runner::explain`](crate::Runner::explain), [`Report::explain`](crate::Report::explain) |
//!
//! Passes change when factories start, which of them run, and which of them share an output; never what comes out.
//!
//! ```
//! use setl::optimize::Optimizer;
//! use setl::optimize::plan::{Decision, PipelinePlan, PlanPass};
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
//!     fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<Decision>> {
//!         plan.order("rates", "archive")?;
//!         Ok(vec![Decision::new(["rates", "archive"], "`rates` is fastest while nobody else is busy")])
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

pub use decision::{Decision, Gain};
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

/// A pass over the plan of a pipeline: it looks at the plan, changes it, and says what it did and why.
///
/// A pass may [prefer](PipelinePlan::prefer) a factory, or put one [before](PipelinePlan::order) another; the executor follows.
/// It sees what the passes before it did. It is applied before each run, so keep it quick. For an example see the
/// [module](self).
pub trait PlanPass: Send + Sync {
    /// Its name, by which it is switched off, put in order and explained.
    fn name(&self) -> &str;

    /// What it does, in a sentence, for lists of passes.
    fn about(&self) -> &str {
        "a pass of this program"
    }

    /// Changes the plan, and says what it did; nothing if it did nothing.
    ///
    /// # Errors
    /// When it cannot do what it is for. The run does not start then, and says why.
    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<Decision>>;
}

/// What one pass did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// Its name.
    pub pass: String,
    /// What it did, and why.
    pub decisions: Vec<Decision>,
    /// The plan after it, if it has changed the plan.
    pub plan: Option<Arc<PipelinePlan>>,
}

/// A plan, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) before: Arc<PipelinePlan>,
    pub(crate) applied: Vec<Applied>,
}

impl Planned {
    /// The plan that is run.
    pub(crate) fn after(&self) -> &Arc<PipelinePlan> {
        self.applied.iter().rev().find_map(|applied| applied.plan.as_ref()).unwrap_or(&self.before)
    }
}

/// Applies the passes that are on.
///
/// # Errors
/// What keeps the run from starting, each in a sentence: what a pass could not do.
pub(crate) fn optimize(optimizer: &Optimizer, facts: &Facts<'_>) -> Result<Planned, Vec<String>> {
    let mut mistakes = optimizer.mistakes();
    let mut plan = PipelinePlan::of(facts);
    let mut planned = Planned { before: Arc::new(plan.clone()), applied: Vec::new() };
    if !optimizer.has(Pass::Prune) {
        // What was asked for holds, whatever is switched off.
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
