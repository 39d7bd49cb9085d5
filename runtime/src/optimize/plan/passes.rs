//! The passes over pipelines that come with `setl`.

mod critical;
mod merge;
mod prune;
mod stages;

pub(super) use critical::CriticalPath;
pub(crate) use critical::waiting;
pub(super) use merge::MergeIdentical;
pub(super) use prune::{Prune, leave_out_what_was_not_asked_for};
pub(super) use stages::EarliestStage;

use super::PlanPass;
use crate::optimize::Pass;

/// The built-in pass over plans, or `None` for a pass over queries.
pub(crate) fn built_in(pass: Pass) -> Option<&'static dyn PlanPass> {
    Some(match pass {
        Pass::Prune => &Prune,
        Pass::MergeIdentical => &MergeIdentical,
        Pass::EarliestStage => &EarliestStage,
        Pass::CriticalPath => &CriticalPath,
        _ => return None,
    })
}
