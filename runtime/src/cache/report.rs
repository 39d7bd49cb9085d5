//! The cache report of a run.

use std::time::Duration;

/// The effect of the cache on one factory in one run.
///
/// A factory that was skipped because its output was not needed counts as neither hit nor miss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheReport {
    /// The factory.
    pub factory: String,
    /// 1 if its output was taken from the cache, otherwise 0.
    pub hits: u32,
    /// 1 if it ran although its output is cached, otherwise 0.
    pub misses: u32,
    /// The reason why no entry was used, although there was one.
    pub because: Option<String>,
    /// The time that computing the output took originally, if the factory did not run because of the cache. Zero if that
    /// is unknown.
    pub saved: Duration,
    /// Is set if the factory did not run because of the cache, and its time is unknown because its output was lazy.
    pub saved_unknown: bool,
    /// Is set if its output of this run is kept for the next.
    pub added: bool,
    /// The reason why its output is not kept, if it ran.
    pub not_added: Option<String>,
}
