//! What is known of the inputs before a run begins.

use super::super::{Fingerprint, FingerprintOf};
use super::sources;
use crate::Result;
use crate::pipeline::AnyPayload;
use crate::plan::{Plan, Source};

/// The fingerprints of the inputs' values, for [`Setup::inputs`](super::Setup::inputs): of those that a checkpoint depends on, since one may be a
/// query which is run for it. `counts` says of each factory whether there is a checkpoint, or may be one; `only_cache` that
/// nothing but the cache depends on it, for which it is enough that there are none. It blocks.
///
/// # Errors
/// When one cannot be taken.
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
                // What is volatile counts by what it delivers.
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
