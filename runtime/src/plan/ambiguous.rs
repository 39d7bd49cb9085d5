//! Deliveries of one factory that are the same value, although nothing says so.

use super::presence::Consumer;
use super::text::Text;
use super::{Delivery, Source, Taking};

/// Two of these deliveries, with these sources, that nothing tells apart: the same output or input, taken in the same way.
///
/// Whoever names a producer knows what he takes, and what is loaded may differ by its condition.
pub(super) const fn same_value(deliveries: &[Delivery], sources: &[Source]) -> Option<(usize, usize)> {
    let mut second = 1;
    while second < sources.len() {
        let mut first = 0;
        while first < second {
            if is_same(sources[first], sources[second]) && is_alike(&deliveries[first], &deliveries[second]) {
                return Some((first, second));
            }
            first += 1;
        }
        second += 1;
    }
    None
}

const fn is_same(one: Source, other: Source) -> bool {
    match (one, other) {
        (Source::Input(one), Source::Input(other)) | (Source::Factory(one), Source::Factory(other)) => {
            one == other
        }
        _ => false,
    }
}

const fn is_alike(one: &Delivery, other: &Delivery) -> bool {
    one.producer.is_none()
        && other.producer.is_none()
        && matches!(
            (one.taking, other.taking),
            (Taking::Owned, Taking::Owned) | (Taking::Shared, Taking::Shared)
        )
}

/// What is wrong with two such deliveries, which come from an input or a factory of this name.
pub(super) const fn is_ambiguous(
    pipeline: &str,
    consumer: &Consumer<'_>,
    first: &Delivery,
    second: &Delivery,
    producer: &str,
) -> Text {
    let mut text = Text::new();
    text.push("pipeline `");
    text.push(pipeline);
    text.push("`: ");
    if let Some(fallback) = consumer.fallback {
        text.push("fallback `");
        text.push(fallback);
        text.push("` of ");
    }
    text.push("factory `");
    text.push(consumer.factory);
    text.push("` takes `");
    text.push(first.name);
    text.push("` and `");
    text.push(second.name);
    text.push("`, and both are the one value of `");
    text.push(producer);
    text.push("`: take it once, or tell two of them apart by `#[delivery(id = ...)]` or `#[delivery(producer = ...)]`");
    text
}
