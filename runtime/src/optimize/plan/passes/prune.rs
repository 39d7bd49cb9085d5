//! Leaves out factories that nothing needs.

use crate::Result;
use crate::optimize::Pass;
use crate::optimize::plan::{Fate, Gain, PassDecision, PipelinePlan, PlanPass, PlannedFactory};

/// Leaves out factories that were not selected, and factories whose output goes only to disabled factories.
///
/// The selection comes from the caller of the run, and holds even without this pass.
pub(crate) struct Prune;

impl PlanPass for Prune {
    fn name(&self) -> &str {
        Pass::Prune.name()
    }

    fn about(&self) -> &str {
        Pass::Prune.about()
    }

    fn apply(&self, plan: &mut PipelinePlan) -> Result<Vec<PassDecision>> {
        let mut decisions = Vec::new();
        let asked = leave_out_what_was_not_asked_for(plan);
        if !asked.is_empty() {
            let names = asked.iter().map(|factory| &*plan.of_index(*factory).name);
            let decision = PassDecision::new(names, "left out, since nobody needs it for what was asked for");
            decisions.push(saving(decision, plan, &asked));
        }
        // In a partial run, each remaining factory was selected. If outputs are kept, the factories that have to run are known
        // only when the run begins.
        if plan.is_partial || plan.keeps_outputs {
            return Ok(decisions);
        }
        for factory in plan.in_order().into_iter().rev() {
            let takers: Vec<_> = plan.takers_of(factory).collect();
            let of = plan.of_index(factory);
            let is_needless = |taker: &usize| {
                let taker = plan.of_index(*taker);
                !taker.enabled || taker.fate == Fate::LeftOut
            };
            if !is_effect_free(of) || of.kept || takers.is_empty() || !takers.iter().all(is_needless) {
                continue;
            }
            let names: Vec<_> = takers.iter().map(|taker| &*plan.of_index(*taker).name).collect();
            let reason = format!(
                "left out, since only {} would take its output, and {} run",
                crate::base::names::quoted(names.iter().copied()),
                if names.len() == 1 { "does not" } else { "do not" }
            );
            let decision = PassDecision::new([of.name.clone()], reason);
            decisions.push(saving(decision, plan, &[factory]));
            plan.leave_out(factory);
        }
        Ok(decisions)
    }
}

/// Leaves out the factories that the caller of the run has not selected, and returns them.
pub(crate) fn leave_out_what_was_not_asked_for(plan: &mut PipelinePlan) -> Vec<usize> {
    let not_asked = plan.factories().enumerate().filter(|(_, factory)| !factory.selected && factory.runs());
    let not_asked: Vec<_> = not_asked.map(|(index, _)| index).collect();
    not_asked.iter().for_each(|factory| plan.leave_out(*factory));
    not_asked
}

/// `true` if the factory has no effect other than its output.
fn is_effect_free(factory: &PlannedFactory) -> bool {
    factory.runs()
        && factory.enabled
        && factory.acts.is_none()
        && !factory.takes_context
        && !factory.replaced
        && !factory.policy.volatile
        && factory.policy.resource.is_none()
        && !factory.has_fallback
}

fn saving(decision: PassDecision, plan: &PipelinePlan, factories: &[usize]) -> PassDecision {
    let seconds: Option<f64> = factories.iter().map(|factory| plan.of_index(*factory).seconds).sum();
    match seconds {
        Some(seconds) if seconds > 0.0 && plan.is_known => decision.gain(Gain::Seconds(seconds)),
        _ => decision,
    }
}
