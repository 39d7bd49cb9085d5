//! The cache report of a run.

use std::fmt;
use std::time::Duration;

use crate::run::{Report, duration};

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

/// The part of a report about the cache. It has no text if nothing is cached.
#[derive(Debug)]
pub(crate) struct CacheSection(pub(crate) Vec<CacheReport>);

impl fmt::Display for CacheSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let hits: u32 = self.0.iter().map(|cache| cache.hits).sum();
        let misses: u32 = self.0.iter().map(|cache| cache.misses).sum();
        let saved: Duration = self.0.iter().map(|cache| cache.saved).sum();
        let is_unknown = self.0.iter().any(|cache| cache.saved_unknown);
        let saved = match (is_unknown, saved.is_zero()) {
            (true, true) => "how much computing that saved is unknown".to_owned(),
            (true, false) => format!("at least {} of computing saved", duration(saved)),
            (false, _) => format!("{} of computing saved", duration(saved)),
        };
        write!(f, "cache: {hits} taken, {misses} computed; {saved}")
    }
}

impl Report {
    /// The [cache](crate::cache) report of each factory whose output is cached, in the order of the stages: a hit, or the reason
    /// for a miss.
    pub fn cache(&self) -> &[CacheReport] {
        self.section::<CacheSection>().map_or(&[], |section| &section.0)
    }

    /// The time that cache hits saved: the earlier times of the factories that did not run because of them. Factories that are
    /// not cached and did not run either are not included.
    pub fn time_saved(&self) -> Duration {
        self.cache().iter().map(|cache| cache.saved).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CacheReport, CacheSection};

    #[test]
    fn what_a_lazy_output_saved_is_not_made_up() {
        let report = |saved, saved_unknown| CacheReport {
            hits: 1,
            saved: Duration::from_secs(saved),
            saved_unknown,
            ..CacheReport::default()
        };
        let known = CacheSection(vec![report(12, false)]).to_string();
        assert_eq!(known, "cache: 1 taken, 0 computed; 12.0 s of computing saved");
        let unknown = CacheSection(vec![report(0, true)]).to_string();
        assert_eq!(unknown, "cache: 1 taken, 0 computed; how much computing that saved is unknown");
        let mixed = CacheSection(vec![report(12, false), report(0, true)]).to_string();
        assert_eq!(mixed, "cache: 2 taken, 0 computed; at least 12.0 s of computing saved");
    }
}
