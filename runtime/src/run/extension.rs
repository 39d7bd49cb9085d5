//! Capabilities of runs, as their preparation sees them.

use super::request::Request;
use super::run_plan::RunPlan;

/// A capability of runs. It changes the plan of a run before it starts, and adds to it the [hooks](super::hook) by which it takes
/// part in the run.
///
/// All extensions take each of these steps before any of them takes the next one.
pub(crate) trait Extension: Sync {
    /// Changes the plan without reading files.
    ///
    /// # Errors
    /// The reasons why the run cannot start, each in a sentence.
    fn prepare(&self, _plan: &mut RunPlan, _request: &Request) -> Result<(), Vec<String>> {
        Ok(())
    }

    /// `true` if [`open`](Extension::open) has something to do.
    fn opens(&self, _plan: &RunPlan, _request: &Request) -> bool {
        false
    }

    /// Opens the files of the capability. This function blocks.
    ///
    /// # Errors
    /// The reason why the run cannot start.
    fn open(&self, _plan: &mut RunPlan, _request: &Request, _mode: Mode) -> Result<(), String> {
        Ok(())
    }

    /// Rewrites the plan, once all that is known before the run is in it.
    ///
    /// # Errors
    /// The reasons why the run cannot start, each in a sentence.
    fn rewrite(&self, _plan: &mut RunPlan, _request: &Request) -> Result<(), Vec<String>> {
        Ok(())
    }

    /// Adds the hooks that depend on the final plan.
    fn attach(&self, _plan: &mut RunPlan) {}
}

/// The capabilities of runs, in the order in which they take part.
pub(crate) type Extensions = &'static [&'static dyn Extension];

/// The purpose of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The run starts.
    Run,
    /// The plan is explained, and nothing is written.
    Explain,
}
