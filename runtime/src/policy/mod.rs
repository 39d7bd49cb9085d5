//! What is done when a factory fails: try again, wait no longer, skip it, let another stand in.
//!
//! | for | see |
//! |---|---|
//! | what a factory says | [`Policy`], from the options of [`#[factory]`](macro@crate::factory) |
//! | waits between attempts | [`Retry`] |
//! | which errors go away by themselves | [`classify`], [`transient`], [`permanent`], [`Classify`], [`Classifier`] |
//! | services that several factories ask | [`Resource`], [`Breaker`], [`Resources`] |
//! | what holds in a run, with all defaults | [`Effective`] |
#![cfg_attr(feature = "config", doc = "| changes without a rebuild | [`Settings`], [`settings`] |")]
//!
//! ```
//! use std::time::Duration;
//!
//! use setl::policy::Resource;
//! use setl::prelude::*;
//!
//! static RATES: Resource = Resource::new("rates").at_once(2).breaker(5, Duration::from_secs(30));
//!
//! #[factory(retry(times = 3, backoff = "100ms..10s"), timeout = "30s", resource = RATES)]
//! async fn dollar() -> Result<f64> {
//!     Ok(1.1)
//! }
//!
//! #[pipeline(extract(dollar))]
//! struct Daily;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let run = Daily.run().await?;
//! assert_eq!(run.report().resources()[0].attempts, 1);
//! # Ok(())
//! # }
//! ```

mod backoff;
mod circuit;
mod classify;
mod effective;
mod mark;
mod resource;
#[cfg(feature = "config")]
pub mod settings;
mod timeout;

use std::fmt;
use std::time::Duration;

use crate::Error;

#[doc(hidden)]
pub use crate::base::size::parse_bytes;
pub use backoff::Waits;
pub use circuit::CircuitState;
pub use classify::{Classifier, Transience, classify, classify_by};
pub(crate) use effective::differing;
pub use effective::{Effective, EffectivePolicy, OptimizerOff};
pub(crate) use mark::unmark;
pub use mark::{Classify, find, permanent, transient};
pub(crate) use resource::roughly;
pub use resource::{CircuitOpen, Permit, ResourceReport, Resources};
#[cfg(feature = "config")]
pub use settings::{Settings, SettingsError};
pub use timeout::TimedOut;

/// What is done when a factory fails, and before: all options of `#[factory]` that say so.
///
/// A policy is a constant of the factory. What it leaves open comes from the defaults of the pipeline and of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// Whether and how it is tried again.
    pub retry: Option<Retry>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How long all attempts may take together, with what lies between them.
    pub total_timeout: Option<Duration>,
    /// What is done after the last attempt.
    pub on_failure: OnFailure,
    /// Whether the factory may be left out by a condition: `when = …`.
    pub conditional: bool,
    /// Whether its output is kept on disk, so that a run which did not succeed can be resumed.
    pub checkpoint: bool,
    /// Whether and for how long its output is kept for later runs.
    pub cache: Option<Caching>,
    /// What counts as its code where its output is kept.
    pub code: Option<CodeScope>,
    /// Whether it may deliver something else although nothing that it takes has changed, as what asks a service does.
    pub volatile: bool,
    /// How much memory it needs, in bytes: where a run has a [limit](crate::Runner::memory_limit), it starts when so much is free.
    pub memory: Option<u64>,
    /// What it depends on outside of the program, and shares with others.
    pub resource: Option<&'static Resource>,
}

impl Policy {
    /// The policy of a factory that says nothing.
    pub const NONE: Self = Self {
        retry: None,
        timeout: None,
        total_timeout: None,
        on_failure: OnFailure::Fail,
        conditional: false,
        checkpoint: false,
        cache: None,
        code: None,
        volatile: false,
        memory: None,
        resource: None,
    };

    /// With these retries.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// With so much time for each attempt.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// With so much time for all attempts together.
    pub const fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// With this end after the last attempt.
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Under a condition.
    pub const fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// With an output that is kept on disk.
    pub const fn checkpoint(mut self) -> Self {
        self.checkpoint = true;
        self
    }

    /// With an output that later runs take from the [cache](crate::cache).
    pub const fn cache(mut self, caching: Caching) -> Self {
        self.cache = Some(caching);
        self
    }

    /// With this as the code that counts where its output is kept.
    pub const fn code(mut self, scope: CodeScope) -> Self {
        self.code = Some(scope);
        self
    }

    /// With an output that changes by itself.
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// With a need of so many bytes of memory.
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Within the bounds of what it depends on.
    pub const fn resource(mut self, resource: &'static Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// This policy; where it says nothing of retries, times and code, what `defaults` says.
    pub fn or(&self, defaults: &Policy) -> Self {
        Self {
            retry: self.retry.or(defaults.retry),
            timeout: self.timeout.or(defaults.timeout),
            total_timeout: self.total_timeout.or(defaults.total_timeout),
            code: self.code.or(defaults.code),
            ..*self
        }
    }

    /// Whether the output may be absent although the run goes on.
    pub const fn is_skippable(&self) -> bool {
        self.conditional || matches!(self.on_failure, OnFailure::Skip)
    }
}

/// For how long the output of a factory is taken from the [cache](crate::cache): `cache` in `#[factory]`.
///
/// ```
/// use std::time::Duration;
///
/// use setl::policy::{Caching, Policy};
///
/// const WEEKLY: Policy = Policy::NONE.cache(Caching::DEFAULT.max_age(Duration::from_secs(7 * 86_400)));
/// assert_eq!(WEEKLY.cache.unwrap().max_age, Some(Duration::from_secs(604_800)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caching {
    /// How long after it was made; what the run says, if nothing is said.
    pub max_age: Option<Duration>,
}

impl Caching {
    /// As long as the run says.
    pub const DEFAULT: Self = Self { max_age: None };

    /// So long after it was made.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }
}

/// What counts as the code of a factory when a kept output is compared with what the factory would deliver: `code` in
/// `#[factory]`, in `defaults(…)` of `#[pipeline]`, in the settings, and [`Runner::code`](crate::Runner::code).
///
/// ```
/// use setl::policy::{CodeScope, Policy};
///
/// const BY_PACKAGE: Policy = Policy::NONE.checkpoint().code(CodeScope::Package);
/// assert_eq!(BY_PACKAGE.code, Some(CodeScope::Package));
/// assert_eq!(CodeScope::default(), CodeScope::Program);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CodeScope {
    /// The running program: the content of its executable, and of the libraries that it has loaded and that do not belong to
    /// the system. Every change of code, features, dependencies or build options counts, for all factories.
    #[default]
    Program,
    /// What of the sources of its package the factory may use, as the macro has read them when the package was compiled. An
    /// unrelated change does not count, and some related ones are not seen: the book lists them.
    Package,
}

/// How a factory is tried again.
///
/// The wait before retry `n` (the first is 0) is `min(delay · factorⁿ, max_delay)`, computed to seven digits, of which
/// `jitter` takes a random part between nothing and all: "full jitter", after
/// [Exponential Backoff And Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Without
/// jitter, factories that failed together ask again together. [`Retry::waits`] gives the waits.
///
/// `Retry::times(0)` is no retry, and says so: defaults of the pipeline do not apply.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// How often, after the first attempt.
    pub times: u32,
    /// The first wait.
    pub delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
    /// By what each wait is longer than the one before.
    pub factor: f32,
    /// Whether waits are random.
    pub jitter: bool,
    /// After which errors.
    pub on: RetryOn,
}

impl Retry {
    /// So many times after the first attempt, with waits of one second, two, four, and so on up to a minute, each with jitter.
    pub const fn times(times: u32) -> Self {
        Self {
            times,
            delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            factor: 2.0,
            jitter: true,
            on: RetryOn::Transient,
        }
    }

    /// With waits from `delay` up to `max_delay`.
    pub const fn backoff(mut self, delay: Duration, max_delay: Duration) -> Self {
        self.delay = delay;
        self.max_delay = max_delay;
        self
    }

    /// With each wait so many times as long as the one before.
    pub const fn factor(mut self, factor: f32) -> Self {
        self.factor = factor;
        self
    }

    /// With waits that are random, or exactly as long as computed.
    pub const fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// After these errors.
    pub const fn on(mut self, on: RetryOn) -> Self {
        self.on = on;
        self
    }
}

/// After which errors a factory is tried again. It never is after a panic, which is a mistake in the program.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum RetryOn {
    /// After those that are [transient](classify), as timeouts are.
    Transient,
    /// After any error.
    Any,
    /// After those for which the function says so.
    If(fn(&Error) -> bool),
}

impl PartialEq for RetryOn {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (RetryOn::Transient, RetryOn::Transient) | (RetryOn::Any, RetryOn::Any) => true,
            (RetryOn::If(this), RetryOn::If(other)) => std::ptr::fn_addr_eq(*this, *other),
            _ => false,
        }
    }
}

impl fmt::Debug for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RetryOn::Transient => "Transient",
            RetryOn::Any => "Any",
            RetryOn::If(_) => "If",
        })
    }
}

/// What is done when a factory has failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// The run fails.
    #[default]
    Fail,
    /// Its output is absent, and the run goes on.
    Skip,
    /// Another factory stands in for it.
    Fallback,
}

/// Something outside of the program that several factories depend on: a service, a database, a disk.
///
/// All factories with the same resource share its bounds. It is a constant, named in `#[factory(resource = …)]`. Resources
/// of the same name are one, so a run in which their bounds differ cannot start.
///
/// ```
/// use std::time::Duration;
///
/// use setl::policy::Resource;
///
/// static RATES: Resource = Resource::new("rates").at_once(2).breaker(5, Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// How it is called in reports and settings.
    pub name: &'static str,
    /// How many attempts may use it at once.
    pub at_once: Option<u32>,
    /// When nobody is let through any more.
    pub breaker: Option<Breaker>,
}

/// A circuit breaker: after so many failures in a row nobody is let through for a while, then one to try.
///
/// After Michael Nygard, *Release It!* (2007), chapter 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// So many transient failures in a row open it.
    pub failures: u32,
    /// For so long.
    pub open_for: Duration,
}

impl Resource {
    /// Without bounds.
    pub const fn new(name: &'static str) -> Self {
        Self { name, at_once: None, breaker: None }
    }

    /// At most so many attempts use it at once; at least one. None does not compile where it is a constant or a `static`.
    ///
    /// # Panics
    /// When nobody could use it.
    #[track_caller]
    pub const fn at_once(mut self, attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "`at_once(0)` lets nobody use the resource: write `at_once(1)` for one at a time, or leave it out for any number"
        );
        self.at_once = Some(attempts);
        self
    }

    /// After so many transient failures in a row, at least one, nobody is let through for so long. Then one is; if it
    /// succeeds, all are. No failure does not compile where it is a constant or a `static`.
    ///
    /// # Panics
    /// When it would open after no failure.
    #[track_caller]
    pub const fn breaker(mut self, failures: u32, open_for: Duration) -> Self {
        assert!(
            failures > 0,
            "`breaker(0, …)` opens after no failure at all: write `breaker(1, …)` to open it after the first, or leave it out"
        );
        self.breaker = Some(Breaker { failures, open_for });
        self
    }
}
