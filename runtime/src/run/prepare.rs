//! Turns a request into the plan of a run: the same for a run, a dry run and `explain`.

use super::config::configured;
use super::extension::{Extensions, Mode};
use super::request::Request;
use super::run_plan::RunPlan;
use super::shared::Launch;

/// Plans a run as far as this is possible without files: combines the pipeline, the settings and the request, and checks them.
///
/// # Errors
/// The reasons why the run cannot start, each in a sentence.
pub(crate) fn prepare(
    launch: Launch,
    request: &Request,
    extensions: Extensions,
) -> Result<RunPlan, Vec<String>> {
    let mut plan = configured(launch, request)?;
    for extension in extensions {
        extension.prepare(&mut plan, request)?;
    }
    Ok(plan)
}

/// `true` if files have to be opened before the run starts.
pub(crate) fn opens_files(plan: &RunPlan, request: &Request, extensions: Extensions) -> bool {
    extensions.iter().any(|extension| extension.opens(plan, request))
}

/// Opens the files of the run. This function blocks.
///
/// # Errors
/// The reason why the run cannot start.
pub(crate) fn open_files(
    plan: &mut RunPlan,
    request: &Request,
    extensions: Extensions,
    mode: Mode,
) -> Result<(), String> {
    extensions.iter().try_for_each(|extension| extension.open(plan, request, mode))
}

/// Rewrites the plan, and adds the hooks of the run to it.
///
/// # Errors
/// The reasons why the run cannot start, each in a sentence.
pub(crate) fn complete(
    plan: &mut RunPlan,
    request: &Request,
    extensions: Extensions,
) -> Result<(), Vec<String>> {
    extensions.iter().try_for_each(|extension| extension.rewrite(plan, request))?;
    extensions.iter().for_each(|extension| extension.attach(plan));
    Ok(())
}
