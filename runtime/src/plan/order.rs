//! Computes the links and the order of factories: at compile time for `#[pipeline]`.
//!
//! All functions take linear time in factories and deliveries, since the compiler interprets them.

use super::text::Text;
use super::{Source, Sources, Stage};

/// The links between nodes: lists of successors, one after another.
///
/// `NODES` counts factories and gates, `OFFSETS` is one more, and `LINKS` comes from [`count_links`].
pub struct Links<const NODES: usize, const OFFSETS: usize, const LINKS: usize> {
    /// The start of each node's successors: see [`Plan::offsets`](super::Plan#structfield.offsets).
    pub offsets: [u32; OFFSETS],
    /// The nodes that wait for each node: see [`Plan::successors`](super::Plan#structfield.successors).
    pub successors: [u32; LINKS],
    /// The number of predecessors of each node: see [`Plan::waits`](super::Plan#structfield.waits).
    pub waits: [u32; NODES],
}

/// An order of all nodes, and the level of each.
pub struct Ordering<const NODES: usize> {
    /// The nodes in order: see [`Plan::order`](super::Plan#structfield.order).
    pub order: [u32; NODES],
    /// The level of each node: see [`Plan::levels`](super::Plan#structfield.levels).
    pub levels: [u32; NODES],
}

/// Visits every pair of a node and one that waits for it: deliveries, then sequential stages, then barriers.
///
/// A gate waits for the previous gate and for all factories since then. All later factories wait for the gate.
macro_rules! for_each_link {
    ($from:expr, $stages:expr, |$before:ident, $after:ident| $body:block) => {{
        let from: &[Sources<'_>] = $from;
        let stages: &[Stage] = $stages;
        let mut node = 0;
        while node < from.len() {
            let mut at = 0;
            while at < from[node].len() {
                if let Source::Factory($before) = from[node].get(at) {
                    let $after = node;
                    $body
                }
                at += 1;
            }
            node += 1;
        }
        let mut stage = 0;
        let mut first = 0;
        let mut gate = from.len();
        let mut has_gate = false;
        while stage < stages.len() {
            let end = first + stages[stage].factories;
            let mut node = first;
            while node < end {
                if stages[stage].sequential && node > first {
                    let ($before, $after) = (node - 1, node);
                    $body
                }
                if has_gate {
                    let ($before, $after) = (gate - 1, node);
                    $body
                }
                node += 1;
            }
            if stages[stage].barrier {
                // The factories since the last barrier.
                let mut open = stage;
                let mut start = first;
                while open > 0 && !stages[open - 1].barrier {
                    open -= 1;
                    start -= stages[open].factories;
                }
                while start < end {
                    let ($before, $after) = (start, gate);
                    $body
                    start += 1;
                }
                if has_gate {
                    let ($before, $after) = (gate - 1, gate);
                    $body
                }
                gate += 1;
                has_gate = true;
            }
            first = end;
            stage += 1;
        }
    }};
}
pub(super) use for_each_link;

/// Returns the number of pairs of nodes of which one waits for the other.
pub const fn count_links(from: &[Sources<'_>], stages: &[Stage]) -> usize {
    let mut links = 0;
    for_each_link!(from, stages, |_before, _after| {
        links += 1;
    });
    links
}

impl<const NODES: usize, const OFFSETS: usize, const LINKS: usize> Links<NODES, OFFSETS, LINKS> {
    /// Computes the links between the factories, whose sources are `from`, and the gates after `stages`.
    pub const fn new(from: &[Sources<'_>], stages: &[Stage]) -> Self {
        let mut links = Self { offsets: [0; OFFSETS], successors: [0; LINKS], waits: [0; NODES] };
        for_each_link!(from, stages, |before, after| {
            links.waits[after] += 1;
            links.offsets[before + 1] += 1;
        });
        let mut node = 0;
        while node < NODES {
            links.offsets[node + 1] += links.offsets[node];
            node += 1;
        }
        let mut filled = [0u32; NODES];
        for_each_link!(from, stages, |before, after| {
            links.successors[(links.offsets[before] + filled[before]) as usize] = after as u32;
            filled[before] += 1;
        });
        links
    }
}

/// Orders the nodes so that each comes after those it waits for (Kahn's algorithm).
///
/// # Panics
/// If factories wait for each other in a cycle. The panic stops the compiler with the cycle spelled out.
#[track_caller]
pub const fn order<const NODES: usize, const OFFSETS: usize, const LINKS: usize>(
    pipeline: &str,
    names: &[&str],
    links: &Links<NODES, OFFSETS, LINKS>,
    from: &[Sources<'_>],
    stages: &[Stage],
) -> Ordering<NODES> {
    let mut ordering = Ordering { order: [0; NODES], levels: [0; NODES] };
    let mut waits = links.waits;
    let mut ordered = 0;
    let mut node = 0;
    while node < NODES {
        if waits[node] == 0 {
            ordering.order[ordered] = node as u32;
            ordered += 1;
        }
        node += 1;
    }
    let mut next = 0;
    while next < ordered {
        let node = ordering.order[next] as usize;
        let mut at = links.offsets[node] as usize;
        while at < links.offsets[node + 1] as usize {
            let successor = links.successors[at] as usize;
            if ordering.levels[successor] <= ordering.levels[node] {
                ordering.levels[successor] = ordering.levels[node] + 1;
            }
            waits[successor] -= 1;
            if waits[successor] == 0 {
                ordering.order[ordered] = successor as u32;
                ordered += 1;
            }
            at += 1;
        }
        next += 1;
    }
    if ordered < NODES {
        let text = describe_cycle(pipeline, names, &waits, &mut [usize::MAX; NODES], from, stages);
        panic!("{}", text.as_str());
    }
    ordering
}

/// Spells out one cycle among the nodes whose count in `waits` never reached zero.
///
/// Each of them waits for another of them, so following these links must lead back. `waits_for` is scratch space: as long as
/// `waits`, and filled with `usize::MAX`.
pub(super) const fn describe_cycle(
    pipeline: &str,
    names: &[&str],
    waits: &[u32],
    waits_for: &mut [usize],
    from: &[Sources<'_>],
    stages: &[Stage],
) -> Text {
    // For each stuck node, the first stuck node that it waits for.
    for_each_link!(from, stages, |before, after| {
        if waits[before] > 0 && waits_for[after] == usize::MAX {
            waits_for[after] = before;
        }
    });
    let mut node = 0;
    while waits[node] == 0 {
        node += 1;
    }
    let mut step = 0;
    while step < waits.len() {
        node = waits_for[node];
        step += 1;
    }
    let start = node;
    let mut only_deliveries = true;
    let mut at = start;
    loop {
        if !takes_from(from, at, waits_for[at]) {
            only_deliveries = false;
        }
        at = waits_for[at];
        if at == start {
            break;
        }
    }
    let mut text = Text::new();
    text.push("pipeline `");
    text.push(pipeline);
    if waits_for[start] == start {
        text.push("`: a factory takes its own output: ");
    } else if only_deliveries {
        text.push("`: factories deliver to each other in a cycle: ");
    } else {
        text.push("`: factories wait for each other in a cycle: ");
    }
    let mut at = start;
    loop {
        push_name(&mut text, names, stages, at);
        text.push(if at >= names.len() || takes(from[at].own, waits_for[at]) {
            " <- "
        } else if takes(from[at].fallback, waits_for[at]) {
            " (its fallback) <- "
        } else if waits_for[at] >= names.len() {
            " (in a later stage) <- "
        } else {
            " (in its stage's order) <- "
        });
        at = waits_for[at];
        if at == start {
            break;
        }
    }
    push_name(&mut text, names, stages, start);
    if waits_for[start] == start {
        text.push("; let it take what another factory or an input delivers, or give its output an id");
    } else if only_deliveries {
        text.push("; let one of them take something from outside of the cycle");
    } else {
        text.push("; move the factory that is needed earlier to an earlier place, or drop the barrier or `sequential`");
    }
    text
}

/// Returns `true` if a node, or its fallback, takes the output of the factory.
const fn takes_from(from: &[Sources<'_>], node: usize, producer: usize) -> bool {
    node < from.len() && (takes(from[node].own, producer) || takes(from[node].fallback, producer))
}

const fn takes(sources: &[Source], producer: usize) -> bool {
    let mut at = 0;
    while at < sources.len() {
        if let Source::Factory(factory) = sources[at]
            && factory == producer
        {
            return true;
        }
        at += 1;
    }
    false
}

/// Appends the name of a factory, or of the stage before a gate.
const fn push_name(text: &mut Text, names: &[&str], stages: &[Stage], node: usize) {
    if node < names.len() {
        text.push(names[node]);
        return;
    }
    let mut gates = names.len();
    let mut stage = 0;
    while stage < stages.len() {
        if stages[stage].barrier {
            if gates == node {
                text.push("the barrier of stage `");
                match &stages[stage].name {
                    std::borrow::Cow::Borrowed(name) => text.push(name),
                    std::borrow::Cow::Owned(name) => text.push(name.as_str()),
                }
                text.push("`");
                return;
            }
            gates += 1;
        }
        stage += 1;
    }
}

/// Returns `true` if a factory takes the input with this index.
pub const fn input_is_taken(from: &[Sources<'_>], input: usize) -> bool {
    let mut node = 0;
    while node < from.len() {
        let mut at = 0;
        while at < from[node].len() {
            if let Source::Input(index) = from[node].get(at)
                && index == input
            {
                return true;
            }
            at += 1;
        }
        node += 1;
    }
    false
}

/// Returns for each factory if its output is available after the run: no factory takes it, or `keep` lists it (`asked`).
pub const fn kept<const FACTORIES: usize, const NODES: usize, const OFFSETS: usize, const LINKS: usize>(
    links: &Links<NODES, OFFSETS, LINKS>,
    from: &[Sources<'_>],
    asked: &[Source],
) -> [bool; FACTORIES] {
    let mut kept = [false; FACTORIES];
    let mut factory = 0;
    while factory < FACTORIES {
        kept[factory] = is_sink(links, from, factory);
        factory += 1;
    }
    let mut at = 0;
    while at < asked.len() {
        if let Source::Factory(factory) = asked[at] {
            kept[factory] = true;
        }
        at += 1;
    }
    kept
}

/// Returns `true` if no factory takes the output of this one. Successors that only run later do not count.
const fn is_sink<const NODES: usize, const OFFSETS: usize, const LINKS: usize>(
    links: &Links<NODES, OFFSETS, LINKS>,
    from: &[Sources<'_>],
    factory: usize,
) -> bool {
    let mut at = links.offsets[factory] as usize;
    while at < links.offsets[factory + 1] as usize {
        if takes_from(from, links.successors[at] as usize, factory) {
            return false;
        }
        at += 1;
    }
    true
}
