//! Checks that values that may be absent are taken as optional.

use super::ambiguous::{is_ambiguous, same_value};
use super::text::Text;
use super::{Delivery, DeliveryMode, Source, Sources};
use crate::pipeline::FactoryEntry;
use crate::policy::{OnFailure, Policy};

/// The consumer of a delivery: a factory, or its fallback.
pub(super) struct Consumer<'plan> {
    pub(super) factory: &'plan str,
    pub(super) fallback: Option<&'plan str>,
}

/// A value that may be absent.
pub(super) enum Absent<'plan> {
    /// An optional input with this name.
    Input(&'plan str),
    /// A factory with this name that may be skipped, and its policy.
    Factory(&'plan str, &'plan Policy),
}

/// Checks that values that may be absent are only taken as optional, and that no factory accidentally takes one value twice.
/// `inputs` has `true` for each input that may be absent.
///
/// # Panics
/// If a check fails. The panic stops the compiler with a text that names both ends.
#[track_caller]
pub const fn check_presence(
    pipeline: &str,
    inputs: &[(&str, bool)],
    names: &[&str],
    entries: &[&FactoryEntry],
    from: &[Sources<'_>],
) {
    let mut node = 0;
    while node < from.len() {
        let own = Consumer { factory: names[node], fallback: None };
        check_sources(pipeline, inputs, names, entries, &own, entries[node].deliveries, from[node].own);
        if let Some(fallback) = &entries[node].fallback {
            let consumer = Consumer { factory: names[node], fallback: Some(fallback.name) };
            let sources = from[node].fallback;
            check_sources(pipeline, inputs, names, entries, &consumer, fallback.deliveries, sources);
        }
        node += 1;
    }
}

#[track_caller]
const fn check_sources(
    pipeline: &str,
    inputs: &[(&str, bool)],
    names: &[&str],
    entries: &[&FactoryEntry],
    consumer: &Consumer<'_>,
    deliveries: &[Delivery],
    sources: &[Source],
) {
    if let Some((first, second)) = same_value(deliveries, sources) {
        let producer = match sources[first] {
            Source::Input(input) => inputs[input].0,
            Source::Factory(factory) => names[factory],
            Source::Context => "Context",
        };
        let text = is_ambiguous(pipeline, consumer, &deliveries[first], &deliveries[second], producer);
        panic!("{}", text.as_str());
    }
    let mut at = 0;
    while at < sources.len() {
        let absent = match sources[at] {
            Source::Input(input) if inputs[input].1 => Some(Absent::Input(inputs[input].0)),
            Source::Factory(factory) if entries[factory].policy.is_skippable() => {
                Some(Absent::Factory(names[factory], entries[factory].policy))
            }
            _ => None,
        };
        if let Some(absent) = absent
            && !deliveries[at].optional
        {
            let text = must_be_optional(pipeline, consumer, &deliveries[at], &absent);
            panic!("{}", text.as_str());
        }
        at += 1;
    }
}

/// Builds the error for a delivery that is required in every run, but comes from a source that may be absent.
pub(super) const fn must_be_optional(
    pipeline: &str,
    consumer: &Consumer<'_>,
    delivery: &Delivery,
    absent: &Absent<'_>,
) -> Text {
    let mut text = Text::new();
    text.push("pipeline `");
    text.push(pipeline);
    if let Some(fallback) = consumer.fallback {
        text.push("`: fallback `");
        text.push(fallback);
        text.push("` of factory `");
    } else {
        text.push("`: factory `");
    }
    text.push(consumer.factory);
    text.push("` needs `");
    text.push(delivery.name);
    text.push("` in every run, but ");
    match absent {
        Absent::Input(name) => {
            text.push("input `");
            text.push(name);
            text.push("` may be absent");
        }
        Absent::Factory(name, policy) => {
            text.push("factory `");
            text.push(name);
            text.push("` may be skipped (");
            text.push(why_skippable(policy));
            text.push(")");
        }
    }
    text.push("; take it as `#[delivery(optional");
    match delivery.mode {
        DeliveryMode::Owned => {}
        DeliveryMode::Shared => text.push(", shared"),
        DeliveryMode::Loaded => text.push(", auto_load"),
    }
    if let Some(id) = delivery.id {
        text.push(", id = ");
        text.push(id);
    }
    if let Some(producer) = delivery.producer {
        text.push(", producer = ");
        text.push(producer);
    }
    text.push(")] ");
    text.push(delivery.name);
    text.push(": Option<");
    text.push(delivery.type_name);
    text.push(">`, or ");
    text.push(match absent {
        Absent::Input(_) => "make the input one that is always there",
        Absent::Factory(_, policy) if policy.conditional => "let the factory run always",
        Absent::Factory(..) => {
            "let another factory stand in for the one that fails: `on_failure = fallback(...)`"
        }
    });
    text
}

const fn why_skippable(policy: &Policy) -> &'static str {
    if policy.conditional { "`when = ...`" } else { "`on_failure = skip`" }
}

/// Returns the reason why a factory cannot be a fallback: a fallback must always deliver, and has no fallback itself.
pub(crate) const fn mistake_in_fallback(factory: &str, fallback: &str, policy: &Policy) -> Option<Text> {
    let problem = match policy.on_failure {
        OnFailure::Fallback => "it has a fallback itself; remove `on_failure` from one of the two",
        _ if policy.is_skippable() => {
            if policy.conditional {
                "it may be skipped itself; remove its `when`"
            } else {
                "it may be skipped itself; remove its `on_failure = skip`"
            }
        }
        _ => return None,
    };
    let mut text = Text::new();
    text.push("`");
    text.push(fallback);
    text.push("` cannot stand in for `");
    text.push(factory);
    text.push("`: ");
    text.push(problem);
    Some(text)
}
