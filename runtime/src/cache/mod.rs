//! Outputs that are kept across runs, so that what takes long to compute is computed once for the same code, inputs and
//! files.
//!
//! The output of a factory under `#[factory(cache)]` is written to disk when the factory has finished. Any later run of the
//! pipeline takes it from there instead of running the factory, if and only if all that it depends on is the same. What it
//! is made of is found out and compared as for a [checkpoint](crate::checkpoint); the difference is that it stays after the
//! run.
//!
//! | for | see |
//! |---|---|
//! | one factory | `cache` and `cache(max_age = "7d")` of [`#[factory]`](macro@crate::factory) |
//! | one run | [`Runner::cache`](crate::Runner::cache), [`CachePolicy`] |
//! | what came of it | [`Report::cache`](crate::Report::cache), [`Status::Cached`](crate::run::Status::Cached) |
//! | operators | [`list`], [`prune`], [`clear`] |
//!
//! ```
//! use setl::prelude::*;
//! use setl::run::Status;
//!
//! #[factory(cache)]
//! fn primes() -> Vec<u32> {
//!     (2..100).filter(|n| (2..*n).all(|of| n % of != 0)).collect()
//! }
//!
//! #[pipeline(only(primes))]
//! struct Numbers;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let state = std::env::temp_dir().join(format!("setl-docs-cache-{}", std::process::id()));
//! let first = Numbers.run().state_dir(&state).await?;
//! assert_eq!(first.report().entries()[0].status, Status::Succeeded);
//!
//! let second = Numbers.run().state_dir(&state).await?;
//! assert_eq!(second.report().entries()[0].status, Status::Cached);
//! assert_eq!(second.get::<primes>().len(), 25);
//! # std::fs::remove_dir_all(state)?;
//! # Ok(())
//! # }
//! ```

mod disk;
mod policy;
mod report;
mod store;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(crate) use policy::Whose;
pub use policy::{CachePolicy, DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES};
pub use report::CacheReport;
pub(crate) use store::{Cache, Found};

use disk::{Failed, Stored};
use store::root_of;

/// One output that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEntry {
    /// The pipeline.
    pub pipeline: String,
    /// The factory whose output it is.
    pub factory: String,
    /// What it takes on disk.
    pub bytes: u64,
    /// How long ago it was made.
    pub age: Duration,
    /// How long it took to compute; zero if that is unknown, since the output was lazy.
    pub took: Duration,
    /// When it was taken last, or else when it was made.
    pub last_used: SystemTime,
    /// How often it was taken.
    pub hits: u64,
    /// The version of setl that made it: others do not take it.
    pub setl: String,
    /// Where it is.
    pub path: PathBuf,
}

impl From<Stored> for CacheEntry {
    fn from(stored: Stored) -> Self {
        let age = stored.age();
        let Stored { path, pipeline, factory, setl, bytes, took, last_used, hits, .. } = stored;
        Self { pipeline, factory, bytes, age, took, last_used, hits, setl, path }
    }
}

/// Why a cache cannot be looked at or cleared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file or directory cannot be used.
    #[error(
        "cannot {action} {} of the cache: see that this program may read and write there, or name another state directory",
        .path.display()
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
}

impl From<Failed> for CacheError {
    fn from((action, path, source): Failed) -> Self {
        Self::Io { action, path, source }
    }
}

/// What is kept in a state directory, of all pipelines; what was used last comes first.
///
/// Damaged entries are removed on the way. It blocks.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// for entry in setl::cache::list(&state)? {
///     println!("{} {}: {} bytes, taken {} times", entry.pipeline, entry.factory, entry.bytes, entry.hits);
/// }
/// # Ok::<(), setl::Error>(())
/// ```
///
/// # Errors
/// When the directory cannot be read, or what is damaged cannot be removed.
pub fn list(state_dir: impl AsRef<Path>) -> Result<Vec<CacheEntry>, CacheError> {
    let mut all = disk::all(&root_of(state_dir.as_ref())?)?;
    all.sort_by_key(|stored| std::cmp::Reverse(stored.last_used));
    Ok(all.into_iter().map(CacheEntry::from).collect())
}

/// Removes what is older or more than the policy allows for, as every run does that adds something; gives what was removed.
///
/// What a running process uses stays. It blocks.
///
/// ```
/// use setl::cache::{CachePolicy, prune};
///
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// let removed = prune(&state, &CachePolicy::declared().max_bytes(100 << 20))?;
/// assert!(removed.is_empty());
/// # Ok::<(), setl::Error>(())
/// ```
///
/// # Errors
/// When the directory cannot be read, or something cannot be removed.
pub fn prune(state_dir: impl AsRef<Path>, policy: &CachePolicy) -> Result<Vec<CacheEntry>, CacheError> {
    let removed = disk::sweep(&root_of(state_dir.as_ref())?, policy.limits())?;
    Ok(removed.into_iter().map(CacheEntry::from).collect())
}

/// Removes all that is kept, but for what a running process uses; gives what was removed.
///
/// To remove what is kept of one factory or pipeline, remove the [`path`](CacheEntry::path) of its entries, or the directory
/// that they are in. It blocks.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// assert!(setl::cache::clear(&state)?.is_empty());
/// # Ok::<(), setl::Error>(())
/// ```
///
/// # Errors
/// When the directory cannot be read, or something cannot be removed.
pub fn clear(state_dir: impl AsRef<Path>) -> Result<Vec<CacheEntry>, CacheError> {
    let root = root_of(state_dir.as_ref())?;
    let nothing = CachePolicy::default().max_bytes(0);
    let removed = disk::sweep(&root, nothing.limits())?;
    for pipeline in disk::directories(&root)? {
        for factory in disk::directories(&pipeline)? {
            // Whatever is there still stays, and so do the directories above it.
            let _ = fs::remove_dir(factory);
        }
        let _ = fs::remove_dir(pipeline);
    }
    Ok(removed.into_iter().map(CacheEntry::from).collect())
}
