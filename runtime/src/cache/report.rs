//! What came of a cache in a run.

use std::time::Duration;

/// What the cache did for one factory in one run.
///
/// A factory that was left out, since nobody needed its output, counts as neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheReport {
    /// The factory.
    pub factory: String,
    /// 1 if its output was taken from the cache, or else 0.
    pub hits: u32,
    /// 1 if it ran although its output is cached, or else 0.
    pub misses: u32,
    /// Why nothing was taken, where there was something.
    pub because: Option<String>,
    /// How long it took when it was computed, if it did not run in this run because it had. Zero if that is unknown.
    pub saved: Duration,
    /// Whether it did not run because of the cache, and how long it took is unknown, since its output was lazy.
    pub saved_unknown: bool,
    /// Whether its output of this run is kept for the next.
    pub added: bool,
    /// Why it is not, if it ran.
    pub not_added: Option<String>,
}
