//! Policies for failures: retry, time out, skip, fall back.
//!
//! | for | see |
//! |---|---|
//! | the options of a factory | [`Policy`], from [`#[factory]`](macro@crate::factory) |
//! | waits between attempts | [`Retry`] |
//! | the classification of errors | [`classify`], [`transient`], [`permanent`], [`Classify`], [`Classifier`] |
//! | services that several factories use | [`Resource`], [`Breaker`], [`Resources`] |
//! | the policies of a run, with all defaults | [`Effective`] |
#![cfg_attr(feature = "config", doc = "| changes without a rebuild | [`Settings`], [`settings`] |")]
//!
//! ```
//! use std::time::Duration;
//!
//! use setl::policy::Resource;
//! use setl::prelude::*;
//!
//! static RATES: Resource = Resource::new("rates").max_concurrent(2).breaker(5, Duration::from_secs(30));
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
pub(crate) use effective::SettingsSource;
pub(crate) use effective::differing;
pub use effective::{Effective, EffectivePolicy, OptimizerOff};
pub(crate) use mark::unmark;
pub use mark::{Classify, find, permanent, transient};
pub(crate) use resource::roughly;
pub use resource::{CircuitOpen, Permit, ResourceReport, Resources};
#[cfg(feature = "config")]
pub use settings::{Settings, SettingsError};
pub use timeout::TimedOut;

/// The policy of a factory: its retries, limits, conditions and fallbacks, from the options of `#[factory]`.
///
/// A policy is a constant of the factory. Options that are not set come from the defaults of the pipeline and of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// The retries after a failure. `None` if the factory is not retried.
    pub retry: Option<Retry>,
    /// The time limit of one attempt.
    pub timeout: Option<Duration>,
    /// The time limit of all attempts together, including the waits between them.
    pub total_timeout: Option<Duration>,
    /// The action after the last attempt has failed.
    pub on_failure: OnFailure,
    /// `true` if a condition may skip the factory: `when = …`.
    pub conditional: bool,
    /// `true` if its output is kept on disk, so that a failed run can be resumed.
    pub checkpoint: bool,
    /// The caching of its output for later runs. `None` if it is not cached.
    pub cache: Option<Caching>,
    /// The scope of the code that counts when its output is kept.
    pub code: Option<CodeScope>,
    /// `true` if its output may change although its inputs do not, for example because it queries a service.
    pub volatile: bool,
    /// The memory that it needs, in bytes. In a run with a [limit](crate::RunBuilder::memory_limit), it starts when this much is
    /// free.
    pub memory: Option<u64>,
    /// The external resource that it depends on and shares with other factories.
    pub resource: Option<&'static Resource>,
}

impl Policy {
    /// The policy of a factory without options.
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

    /// Sets the retries.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sets the time limit of each attempt.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the time limit of all attempts together.
    pub const fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// Sets the action after the last attempt has failed.
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Marks the factory as conditional.
    pub const fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// Keeps the output on disk, for resumed runs.
    pub const fn checkpoint(mut self) -> Self {
        self.checkpoint = true;
        self
    }

    /// Stores the output in the [cache](crate::cache) for later runs.
    pub const fn cache(mut self, caching: Caching) -> Self {
        self.cache = Some(caching);
        self
    }

    /// Sets the scope of the code that counts when the output is kept.
    pub const fn code(mut self, scope: CodeScope) -> Self {
        self.code = Some(scope);
        self
    }

    /// Marks the output as one that may change by itself.
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Sets the memory that the factory needs, in bytes.
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Sets the external resource, whose bounds then apply.
    pub const fn resource(mut self, resource: &'static Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Returns this policy, completed by the retries, time limits and code scope of `defaults` if it does not set its own.
    pub fn or(&self, defaults: &Policy) -> Self {
        Self {
            retry: self.retry.or(defaults.retry),
            timeout: self.timeout.or(defaults.timeout),
            total_timeout: self.total_timeout.or(defaults.total_timeout),
            code: self.code.or(defaults.code),
            ..*self
        }
    }

    /// Returns `true` if the output may be absent although the run continues.
    pub const fn is_skippable(&self) -> bool {
        self.conditional || matches!(self.on_failure, OnFailure::Skip)
    }
}

/// The maximum age of a factory's output in the [cache](crate::cache): `cache` in `#[factory]`.
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
    /// The maximum age of an entry. Default: the maximum age that the run sets.
    pub max_age: Option<Duration>,
}

impl Caching {
    /// The maximum age that the run sets.
    pub const DEFAULT: Self = Self { max_age: None };

    /// Sets the maximum age of an entry.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }
}

/// The scope of the code that counts when a kept output is compared with the current factory. Set by `code` in `#[factory]`, in
/// `defaults(…)` of `#[pipeline]`, in the settings, and by [`RunBuilder::code`](crate::RunBuilder::code).
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
    /// The running program: the content of its executable, and of the loaded libraries that do not belong to the system. Every
    /// change of code, features, dependencies or build options counts, for all factories.
    #[default]
    Program,
    /// The sources of its package that the factory may use, as the macro read them when the package was compiled. Unrelated
    /// changes do not count. Some related changes are not detected: the book lists them.
    Package,
}

/// The retries of a factory.
///
/// The wait before retry `n` (the first is 0) is `min(delay · factorⁿ, max_delay)`, computed to seven digits. With `jitter`, the
/// wait is a random part of that, between zero and the whole: "full jitter", as in [Exponential Backoff And
/// Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Without jitter, factories that failed
/// together retry together. [`Retry::waits`] returns the waits.
///
/// `Retry::times(0)` disables retries, including those from the defaults of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// The maximum number of retries after the first attempt.
    pub times: u32,
    /// The first wait.
    pub delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
    /// The ratio of each wait to the previous one.
    pub factor: f32,
    /// `true` if waits are random.
    pub jitter: bool,
    /// The errors after which the factory is retried.
    pub on: RetryOn,
}

impl Retry {
    /// Retries at most `times` times, with waits of one second, two, four, and so on up to a minute, each with jitter.
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

    /// Sets the first wait to `delay` and the longest to `max_delay`.
    pub const fn backoff(mut self, delay: Duration, max_delay: Duration) -> Self {
        self.delay = delay;
        self.max_delay = max_delay;
        self
    }

    /// Sets the ratio of each wait to the previous one.
    pub const fn factor(mut self, factor: f32) -> Self {
        self.factor = factor;
        self
    }

    /// Sets whether waits are random or exactly as computed.
    pub const fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the errors after which the factory is retried.
    pub const fn on(mut self, on: RetryOn) -> Self {
        self.on = on;
        self
    }
}

/// The errors after which a factory is retried. A panic is never retried, since it is a bug in the program.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum RetryOn {
    /// [Transient](classify) errors, such as timeouts.
    Transient,
    /// All errors.
    Any,
    /// The errors for which the function returns `true`.
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

/// The action after a factory has failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// The run fails.
    #[default]
    Fail,
    /// Its output is absent, and the run goes on.
    Skip,
    /// The fallback factory delivers in its place.
    Fallback,
}

/// An external resource that several factories depend on: a service, a database, a disk.
///
/// All factories with the same resource share its bounds. A resource is a constant, named in `#[factory(resource = …)]`.
/// Resources of the same name are the same resource. If their bounds differ, the run does not start.
///
/// ```
/// use std::time::Duration;
///
/// use setl::policy::Resource;
///
/// static RATES: Resource = Resource::new("rates").max_concurrent(2).breaker(5, Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// The name in reports and settings.
    pub name: &'static str,
    /// The maximum number of attempts that use it at the same time.
    pub max_concurrent: Option<u32>,
    /// The circuit breaker, if it has one.
    pub breaker: Option<Breaker>,
}

/// A circuit breaker: after `failures` consecutive failures it admits no attempt for `open_for`, then one to probe the resource.
///
/// The pattern is from Michael Nygard, *Release It!* (2007), chapter 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// The number of consecutive transient failures that open it.
    pub failures: u32,
    /// The time that it stays open.
    pub open_for: Duration,
}

impl Resource {
    /// Makes a resource without bounds.
    pub const fn new(name: &'static str) -> Self {
        Self { name, max_concurrent: None, breaker: None }
    }

    /// Limits the resource to at most `attempts` attempts at the same time. Zero does not compile in a constant or a `static`.
    ///
    /// # Panics
    /// If `attempts` is zero.
    #[track_caller]
    pub const fn max_concurrent(mut self, attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "`max_concurrent(0)` lets nobody use the resource: write `max_concurrent(1)` for one at a time, or leave it out for any number"
        );
        self.max_concurrent = Some(attempts);
        self
    }

    /// Admits no attempt for `open_for` after `failures` consecutive transient failures, then one. If that one succeeds, all are
    /// admitted again. Zero failures do not compile in a constant or a `static`.
    ///
    /// # Panics
    /// If `failures` is zero.
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
