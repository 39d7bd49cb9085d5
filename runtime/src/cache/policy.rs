//! The cache policy of a run.

use std::time::Duration;

/// The default of [`CachePolicy::max_bytes`]: 1 GiB.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// The default of [`CachePolicy::max_age`]: 30 days.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Selects the factories whose outputs are cached in a run, and limits the age and the disk space of the cache.
///
/// [`RunBuilder::cache`](crate::RunBuilder::cache) takes it. Default: the factories under `#[factory(cache)]`.
///
/// ```
/// use std::time::Duration;
///
/// use setl::cache::CachePolicy;
///
/// let policy = CachePolicy::declared().also(["train"]).max_bytes(10 << 30).max_age(Duration::from_secs(7 * 86_400));
/// assert_ne!(policy, CachePolicy::all());
/// assert_eq!(CachePolicy::off().also(["train"]), CachePolicy::only(["train"]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CachePolicy {
    pub(crate) scope: Option<CacheScope>,
    pub(crate) also: Vec<String>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_age: Option<Duration>,
}

/// The selection of factories whose outputs are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheScope {
    /// The factories that declare it.
    Declared,
    /// All factories whose output can be stored.
    All,
    /// The factories that declare it, and those for which the history shows that caching pays.
    ByCost,
    /// No factories.
    Disabled,
}

impl CachePolicy {
    /// Caches the factories that declare it, in `#[factory(cache)]` or in the settings.
    pub fn declared() -> Self {
        Self { scope: Some(CacheScope::Declared), ..Self::default() }
    }

    /// Caches all factories whose output can be kept on disk, except volatile factories.
    pub fn all() -> Self {
        Self { scope: Some(CacheScope::All), ..Self::default() }
    }

    /// Switches the cache off: no output is taken from it or added to it.
    pub fn off() -> Self {
        Self { scope: Some(CacheScope::Disabled), ..Self::default() }
    }

    /// Caches the factories with these names and no others, whatever they declare. Use it to choose by the costs of
    /// computing and keeping the outputs.
    ///
    /// The run does not start if a named factory does not exist or is volatile, or if its output cannot be kept on disk.
    pub fn only<N: Into<String>>(factories: impl IntoIterator<Item = N>) -> Self {
        Self::off().also(factories)
    }

    /// Caches these factories, too. See [`CachePolicy::only`].
    pub fn also<N: Into<String>>(mut self, factories: impl IntoIterator<Item = N>) -> Self {
        self.also.extend(factories.into_iter().map(Into::into));
        self
    }

    /// Keeps at most `bytes` bytes in the state directory, for all pipelines together. The least recently used entries
    /// are removed first. Default: 1 GiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Uses and keeps no entry that is older than `age`. The `max_age` of a factory takes precedence. Default: 30 days.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Merges two policies. Settings of `other` apply where this one has none.
    pub(crate) fn or(&self, other: &Self) -> Self {
        // Switching off the cache also discards the factories that others have added.
        let also = if self.scope == Some(CacheScope::Disabled) { &[] } else { &*other.also };
        Self {
            scope: self.scope.or(other.scope),
            also: self.also.iter().chain(also).cloned().collect(),
            max_bytes: self.max_bytes.or(other.max_bytes),
            max_age: self.max_age.or(other.max_age),
        }
    }

    /// `true` if the history decides for which factories caching pays.
    pub(crate) fn is_by_cost(&self) -> bool {
        self.scope == Some(CacheScope::ByCost)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
            max_age: self.max_age.unwrap_or(DEFAULT_MAX_AGE),
        }
    }
}

/// The limits of the size and the age of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_goes_before_what_is_not() {
        let program = CachePolicy::only(["a"]).max_bytes(5);
        let settings = CachePolicy::default().max_age(Duration::from_secs(1));
        let both = settings.or(&program);
        assert_eq!(both, CachePolicy::only(["a"]).max_bytes(5).max_age(Duration::from_secs(1)));
        assert_eq!(CachePolicy::off().or(&program), CachePolicy::off().max_bytes(5));
        assert_eq!(CachePolicy::all().or(&program), CachePolicy::all().also(["a"]).max_bytes(5));
        assert_eq!(both.limits().max_bytes, 5);
        assert_eq!(CachePolicy::all().limits().max_age, DEFAULT_MAX_AGE);
    }
}
