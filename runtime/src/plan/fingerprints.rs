//! Checks that the inputs of checkpoints and caches have fingerprints, so that changes are detected.

use super::text::Text;
use super::{Source, Sources};
use crate::pipeline::FactoryEntry;

/// Checks that every input that a checkpoint or a cache depends on has a fingerprint. `inputs` has the name and type of each
/// input, and `true` if it has a fingerprint.
///
/// # Panics
/// If an input has none. The panic stops the compiler with a text that names both ends.
#[track_caller]
pub const fn check_fingerprints<const FACTORIES: usize>(
    pipeline: &str,
    inputs: &[(&str, &str, bool)],
    names: &[&str; FACTORIES],
    entries: &[&FactoryEntry; FACTORIES],
    from: &[Sources<'_>; FACTORIES],
    order: &[u32],
) {
    // For each factory, the index of a kept factory that depends on it.
    let mut below = [usize::MAX; FACTORIES];
    let mut left = order.len();
    while left > 0 {
        left -= 1;
        let node = order[left] as usize;
        // The nodes after the factories are gates.
        if node >= FACTORIES {
            continue;
        }
        if entries[node].policy.checkpoint || entries[node].policy.cache.is_some() {
            below[node] = node;
        }
        let mut at = 0;
        while below[node] != usize::MAX && at < from[node].len() {
            match from[node].get(at) {
                // The output of a volatile factory is compared by its content, regardless of its inputs.
                Source::Factory(above) if below[above] == usize::MAX && !entries[above].policy.volatile => {
                    below[above] = below[node];
                }
                Source::Input(input) if !inputs[input].2 => {
                    let kept = if entries[below[node]].policy.checkpoint { "checkpoint" } else { "cache" };
                    let text = no_fingerprint(pipeline, kept, names[below[node]], inputs[input]);
                    panic!("{}", text.as_str());
                }
                _ => {}
            }
            at += 1;
        }
    }
}

const fn no_fingerprint(
    pipeline: &str,
    kept: &str,
    factory: &str,
    (input, ty, _): (&str, &str, bool),
) -> Text {
    let mut text = Text::new();
    text.push("pipeline `");
    text.push(pipeline);
    text.push("`: the ");
    text.push(kept);
    text.push(" of factory `");
    text.push(factory);
    text.push("` depends on input `");
    text.push(input);
    text.push("` of type `");
    text.push(ty);
    text.push("`, of which it cannot be told whether it has changed; derive `serde::Serialize` on the type, or say that it \
               does not matter: `#[delivery(opaque)] ");
    text.push(input);
    text.push(": ");
    text.push(ty);
    text.push("`");
    text
}
