//! Finds deliveries of one factory that are accidentally the same value.

use super::presence::Consumer;
use super::text::Text;
use super::{Delivery, DeliveryMode, Source};

/// Returns two of these deliveries, with these sources, that are indistinguishable: the same output or input, taken in the same
/// way.
///
/// A delivery with `producer = …` is deliberate, and loaded data may differ by its condition. Both are exempt.
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
            (one.mode, other.mode),
            (DeliveryMode::Owned, DeliveryMode::Owned) | (DeliveryMode::Shared, DeliveryMode::Shared)
        )
}

/// Builds the error for two such deliveries from the input or factory with this name.
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
