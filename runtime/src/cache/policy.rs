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
    /// Of those who say so, and of those of which it is known that it pays.
    #[cfg(feature = "optimize")]
    ByCost,
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

    /// Besides those that say so, the factories for which it pays: which, by the [history](crate::optimize::History) of the
    /// pipeline, take at least three times as long to compute as their output takes to be stored and loaded. Where
    /// [`max_bytes`](Self::max_bytes) is less than all of these need, those are cached that save most seconds for each byte.
    ///
    /// It is decided before each run anew; [`Learned::keeping`](crate::run::Learned) says what was, and why. What was never
    /// measured, and what has no [size](crate::delivery::Inspect::bytes), is not cached. That a factory writes turns out when it
    /// runs: its output is not cached then. The run has to [learn](crate::Runner::learn), or it does not start.
    ///
    /// ```
    /// use setl::cache::CachePolicy;
    /// use setl::optimize::Learning;
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn train() -> Vec<f64> {
    ///     std::thread::sleep(std::time::Duration::from_millis(60)); // takes its time
    ///     vec![0.5]
    /// }
    ///
    /// #[factory]
    /// fn score(train: Vec<f64>) -> f64 {
    ///     train[0]
    /// }
    ///
    /// #[pipeline(all(train, score))]
    /// struct Nightly;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let state = std::env::temp_dir().join(format!("setl-docs-by-cost-{}", std::process::id()));
    /// // The first is measured, the second is cached, the third takes it.
    /// for hits in [0, 0, 1] {
    ///     let run = Nightly.run().cache(CachePolicy::by_cost()).learn(Learning::new()).state_dir(&state).await?;
    ///     assert_eq!(run.report().cache().iter().map(|cache| cache.hits).sum::<u32>(), hits);
    ///     for factory in &run.learned().unwrap().keeping {
    ///         println!("{factory}");
    ///     }
    /// }
    /// # std::fs::remove_dir_all(state)?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "optimize")]
    pub fn by_cost() -> Self {
        Self { whose: Some(Whose::ByCost), ..Self::default() }
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

    /// Whether the history is asked for whom it pays.
    pub(crate) fn is_by_cost(&self) -> bool {
        #[cfg(feature = "optimize")]
        return self.whose == Some(Whose::ByCost);
        #[cfg(not(feature = "optimize"))]
        false
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
