//! Turns a request into the plan of a run: the same for a run, a dry run and `explain`.

use super::config::configured;
use super::memory::Memory;
use super::request::Request;
use super::run_plan::RunPlan;
use super::shared::Launch;

/// Plans a run as far as this is possible without files: combines the pipeline, the settings and the request, and checks them.
///
/// # Errors
/// The reasons why the run cannot start, each in a sentence.
pub(super) fn prepare(launch: Launch, request: &Request) -> Result<RunPlan, Vec<String>> {
    let mut plan = configured(launch, request)?;
    if let Some(limit) = plan.memory_limit {
        let memory = Memory::new(limit, plan.state_dir.as_deref());
        let mistakes = memory.objections(&plan.launch, |node| plan.policy(node));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        plan.memory = Some(Box::new(memory));
    }
    Ok(plan)
}

/// Reads the history of the pipeline if the run learns, and decides which outputs are worth caching. This function blocks.
#[cfg(feature = "optimize")]
pub(super) fn consult(plan: &mut RunPlan, request: &Request, workers: usize) {
    let Some(learning) = &request.learning else { return };
    let how = super::learn::How::of(&plan.optimizer, workers);
    let mut learned = super::learn::before(&plan.launch, learning, plan.state_dir.clone(), how);
    if plan.cache.is_by_cost() {
        learned.choose_cached(plan);
    }
    plan.learned = Some(Box::new(learned));
}
