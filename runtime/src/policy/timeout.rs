//! The error of a factory that exceeded a time limit.

use std::time::Duration;

use humantime::format_duration;

/// A factory exceeded a time limit of its [`Policy`](super::Policy). The error is [transient](super::classify).
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
    /// The time limit.
    pub limit: Duration,
    /// `true` if the limit was for all attempts together.
    pub total: bool,
    /// The resource at which it waited for a place, if the time passed there.
    pub resource: Option<&'static str>,
}

fn waited(resource: Option<&'static str>) -> String {
    resource.map(|name| format!(": it waited for a place at resource `{name}`")).unwrap_or_default()
}

impl TimedOut {
    /// Makes the error of one attempt that exceeded `timeout`.
    pub const fn attempt(limit: Duration) -> Self {
        Self { limit, total: false, resource: None }
    }

    /// Makes the error of all attempts together, including the waits between them, that exceeded `total_timeout`.
    pub const fn total(limit: Duration) -> Self {
        Self { limit, total: true, resource: None }
    }
}
