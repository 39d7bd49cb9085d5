//! The fingerprints of the inputs before a run begins.

use super::super::{Fingerprint, FingerprintOf};
use super::sources;
use crate::Result;
use crate::pipeline::AnyPayload;
use crate::plan::{Plan, Source};

/// Computes the fingerprints of the input values for [`Setup::inputs`](super::Setup::inputs). It covers only the inputs
/// that a checkpoint depends on, because an input may be a query that must be run for this. `counts` is set for each
/// factory that has a checkpoint or may get one. If `only_cache` is set, only the cache depends on the fingerprints, so a
/// missing one is not an error. This blocks.
///
/// # Errors
/// When a fingerprint cannot be computed.
pub(crate) fn fingerprints_of_inputs(
    plan: &Plan,
    payloads: &[Option<AnyPayload>],
    how: &[Option<FingerprintOf>],
    mut counts: Vec<bool>,
    only_cache: bool,
) -> Result<Vec<Option<Fingerprint>>> {
    let mut taken = vec![false; payloads.len()];
    let order: Vec<_> = plan.factory_order().collect();
    for node in order.into_iter().rev() {
        if !counts[node] {
            continue;
        }
        for source in sources(plan, node) {
            match source {
                Source::Input(input) => taken[input] = true,
                // A volatile factory counts by its output.
                Source::Factory(above) => counts[above] |= !plan.factories[above].policy.volatile,
                Source::Context => {}
            }
        }
    }
    let of =
        |((payload, how), taken): ((&Option<AnyPayload>, &Option<FingerprintOf>), bool)| match (payload, how)
        {
            _ if !taken => Ok(None),
            (None, _) => Ok(Some(Fingerprint::ABSENT)),
            (Some(payload), Some(how)) => how(payload).map(Some).or_else(|error| match only_cache {
                true => Ok(None),
                false => Err(error),
            }),
            (Some(_), None) => Ok(None),
        };
    payloads.iter().zip(how).zip(taken).map(of).collect()
}
