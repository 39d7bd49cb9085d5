//! What a run says of its cache.

use std::time::Duration;

/// So much is kept in a state directory if nothing is said: 1 GiB.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// So long an output is taken if nothing is said: 30 days.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whose outputs are cached in a run, for how long, and how much of the disk that may take.
///
/// [`Runner::cache`](crate::Runner::cache) takes it. Without one, those are cached that say so: `#[factory(cache)]`.
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
    pub(crate) whose: Option<Whose>,
    pub(crate) also: Vec<String>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_age: Option<Duration>,
}

/// Whose outputs are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of those who say so.
    Declared,
    /// Of all whose output can be written down.
    All,
    /// Of none.
    Nobodys,
}

impl CachePolicy {
    /// The factories that say so, in `#[factory(cache)]` or in the settings.
    pub fn declared() -> Self {
        Self { whose: Some(Whose::Declared), ..Self::default() }
    }

    /// All factories whose output can be kept on disk, but for those that are volatile.
    pub fn all() -> Self {
        Self { whose: Some(Whose::All), ..Self::default() }
    }

    /// None: nothing is taken from the cache, and nothing is added to it.
    pub fn off() -> Self {
        Self { whose: Some(Whose::Nobodys), ..Self::default() }
    }

    /// The factories of these names and no others, whatever they say: for who chooses by what it costs to compute them and
    /// to keep them.
    ///
    /// The run does not start if there is no such factory, if it is volatile, or if its output cannot be kept on disk.
    pub fn only<N: Into<String>>(factories: impl IntoIterator<Item = N>) -> Self {
        Self::off().also(factories)
    }

    /// These factories, too. See [`CachePolicy::only`].
    pub fn also<N: Into<String>>(mut self, factories: impl IntoIterator<Item = N>) -> Self {
        self.also.extend(factories.into_iter().map(Into::into));
        self
    }

    /// Keeps at most so much in the state directory, whichever pipelines it is of: what was not used for longest is removed
    /// first. Without it, 1 GiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Takes and keeps nothing that was made longer ago. A factory that says so itself goes by that. Without it, 30 days.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// This; where it says nothing, what `other` says.
    pub(crate) fn or(&self, other: &Self) -> Self {
        // Who switches off what others have chosen means all of it.
        let also = if self.whose == Some(Whose::Nobodys) { &[] } else { &*other.also };
        Self {
            whose: self.whose.or(other.whose),
            also: self.also.iter().chain(also).cloned().collect(),
            max_bytes: self.max_bytes.or(other.max_bytes),
            max_age: self.max_age.or(other.max_age),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
            max_age: self.max_age.unwrap_or(DEFAULT_MAX_AGE),
        }
    }
}

/// How much a cache may hold, and for how long.
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
