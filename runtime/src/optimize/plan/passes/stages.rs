//! Finds stages that could be shorter.

use crate::Result;
use crate::optimize::Pass;
use crate::optimize::plan::{PassDecision, PipelinePlan, PlanPass};

/// Finds the earliest stage of each factory, as `SimplePipelineOptimizer` of SETL does: the stage after those of its upstream
/// factories.
///
/// A factory does not move across a barrier or out of a sequential stage, or between stages that write and stages that do not.
/// The run itself does not change: factories start as soon as they are ready, in any stage.
pub(crate) struct EarliestStage;

impl PlanPass for EarliestStage {
    fn name(&self) -> &str {
        Pass::EarliestStage.name()
    }

    fn about(&self) -> &str {
        Pass::EarliestStage.about()
    }

    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
        let mut moved = Vec::new();
        for factory in plan.in_order() {
            let of = plan.of_index(factory);
            let own = of.stage;
            if !of.runs() || plan.stages[own].sequential {
                continue;
            }
            let after_barrier =
                (0..own).rev().find(|stage| plan.stages[*stage].barrier).map_or(0, |at| at + 1);
            let after_producers = plan.producers(factory).map(|above| plan.of_index(above).stage + 1).max();
            let from = after_barrier.max(after_producers.unwrap_or(0));
            let fits = |stage: &usize| {
                let stage = &plan.stages[*stage];
                !stage.sequential && stage.no_write == plan.stages[own].no_write
            };
            let Some(earliest) = (from..own).find(fits) else { continue };
            let because = match after_producers {
                Some(at) if at == earliest => "it takes nothing of a later stage",
                None => "it takes nothing of another factory",
                Some(_) => "no earlier one allows for it",
            };
            let reason = format!(
                "could be in stage `{}` instead of `{}`, since {because}",
                plan.stages[earliest].name, plan.stages[own].name
            );
            moved.push((factory, PassDecision::new([of.name.clone()], reason)));
            plan.edit(factory).stage = earliest;
        }
        moved.sort_by_key(|(factory, _)| *factory);
        Ok(moved.into_iter().map(|(_, decision)| decision).collect())
    }
}
