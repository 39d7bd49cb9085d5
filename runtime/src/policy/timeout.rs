//! The error of a factory that took too long.

use std::time::Duration;

use humantime::format_duration;

/// A factory took longer than its [`Policy`](super::Policy) allows. It is [transient](super::classify).
///
/// ```
/// use std::time::Duration;
///
/// use setl::policy::TimedOut;
///
/// let late = TimedOut::attempt(Duration::from_secs(10));
/// assert_eq!(late.to_string(), "did not end within its timeout of 10s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("did not end within its {} of {}{}", if *.total { "total timeout" } else { "timeout" }, format_duration(*.limit), waited(*.resource))]
#[non_exhaustive]
pub struct TimedOut {
    /// How long it was allowed to take.
    pub limit: Duration,
    /// Whether the limit was for all attempts together.
    pub total: bool,
    /// The resource at which it waited for a place, if that is where its time went by.
    pub resource: Option<&'static str>,
}

fn waited(resource: Option<&'static str>) -> String {
    resource.map(|name| format!(": it waited for a place at resource `{name}`")).unwrap_or_default()
}

impl TimedOut {
    /// One attempt took longer than `timeout`.
    pub const fn attempt(limit: Duration) -> Self {
        Self { limit, total: false, resource: None }
    }

    /// All attempts together, and what lies between them, took longer than `total_timeout`.
    pub const fn total(limit: Duration) -> Self {
        Self { limit, total: true, resource: None }
    }
}
