//! What is shared by the factories that depend on the same thing outside of the program.

use std::time::Duration;

use humantime::format_duration;

/// A resource lets nobody through, since attempts with it have failed. It is [transient](super::classify).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resource `{resource}` has failed too often, and is left alone{}", rest(*.retry_after))]
#[non_exhaustive]
pub struct CircuitOpen {
    /// The name of the resource.
    pub resource: &'static str,
    /// When the next attempt is let through. Zero while one is under way, whose end decides.
    pub retry_after: Duration,
}

fn rest(retry_after: Duration) -> String {
    match retry_after {
        Duration::ZERO => " until the attempt that is under way has succeeded".to_owned(),
        // Nobody reads nanoseconds.
        _ => format!(
            " for another {}",
            format_duration(Duration::from_millis(retry_after.as_millis().try_into().unwrap_or(u64::MAX)))
        ),
    }
}
