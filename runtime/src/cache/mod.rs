//! Outputs that are kept across runs, so that an expensive output is computed once for the same code, inputs and files.
//!
//! The output of a factory under `#[factory(cache)]` is written to disk when the factory has finished. A later run of the
//! pipeline takes it from there instead of running the factory, if and only if everything that it depends on is the same.
//! The dependencies are recorded and compared as for a [checkpoint](crate::checkpoint). Unlike a checkpoint, the output
//! stays after the run.
//!
//! | for | see |
//! |---|---|
//! | one factory | `cache` and `cache(max_age = "7d")` of [`#[factory]`](macro@crate::factory) |
//! | one run | [`RunBuilder::cache`](crate::RunBuilder::cache), [`CachePolicy`] |
//! | the results | [`Report::cache`](crate::Report::cache), [`Status::Cached`](crate::run::Status::Cached) |
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

pub(crate) use policy::CacheScope;
pub use policy::{CachePolicy, DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES};
pub use report::CacheReport;
pub(crate) use report::CacheSection;
pub(crate) use store::{Cache, Found};

use disk::{Failed, Stored};
use store::root_of;

/// One cached output.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEntry {
    /// The pipeline.
    pub pipeline: String,
    /// The factory that made the output.
    pub factory: String,
    /// The size on disk, in bytes.
    pub bytes: u64,
    /// The time since it was made.
    pub age: Duration,
    /// The time that it took to compute. Zero if that is unknown, because the output was lazy.
    pub took: Duration,
    /// The time of the last use, or the time when it was made if it was never used.
    pub last_used: SystemTime,
    /// The number of uses.
    pub hits: u64,
    /// The version of setl that made it. Other versions do not use it.
    pub setl: String,
    /// The path of the entry.
    pub path: PathBuf,
}

impl From<Stored> for CacheEntry {
    fn from(stored: Stored) -> Self {
        let age = stored.age();
        let Stored { path, pipeline, factory, setl, bytes, took, last_used, hits, .. } = stored;
        Self { pipeline, factory, bytes, age, took, last_used, hits, setl, path }
    }
}

/// An error of reading or clearing a cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file or directory cannot be used.
    #[error(
        "cannot {action} {} of the cache: see that this program may read and write there, or name another state directory",
        .path.display()
    )]
    Io {
        /// The operation that failed.
        action: &'static str,
        /// The path of the operation.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl From<Failed> for CacheError {
    fn from((action, path, source): Failed) -> Self {
        Self::Io { action, path, source }
    }
}

/// Returns the cached outputs of all pipelines in a state directory. The most recently used comes first.
///
/// Damaged entries are removed. This blocks.
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
/// When the directory cannot be read, or a damaged entry cannot be removed.
pub fn list(state_dir: impl AsRef<Path>) -> Result<Vec<CacheEntry>, CacheError> {
    let mut all = disk::all(&root_of(state_dir.as_ref())?)?;
    all.sort_by_key(|stored| std::cmp::Reverse(stored.last_used));
    Ok(all.into_iter().map(CacheEntry::from).collect())
}

/// Removes the entries that exceed the age or the size that `policy` allows, and returns them. Every run that adds an
/// entry does the same.
///
/// Entries that a running process uses stay. This blocks.
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
/// When the directory cannot be read, or an entry cannot be removed.
pub fn prune(state_dir: impl AsRef<Path>, policy: &CachePolicy) -> Result<Vec<CacheEntry>, CacheError> {
    let removed = disk::sweep(&root_of(state_dir.as_ref())?, policy.limits())?;
    Ok(removed.into_iter().map(CacheEntry::from).collect())
}

/// Removes all entries, except those that a running process uses, and returns the removed ones.
///
/// To remove the entries of one factory or pipeline, remove the [`path`](CacheEntry::path) of each entry, or the
/// directory that contains them. This blocks.
///
/// ```
/// # let state = std::env::temp_dir().join("setl-no-such-state");
/// assert!(setl::cache::clear(&state)?.is_empty());
/// # Ok::<(), setl::Error>(())
/// ```
///
/// # Errors
/// When the directory cannot be read, or an entry cannot be removed.
pub fn clear(state_dir: impl AsRef<Path>) -> Result<Vec<CacheEntry>, CacheError> {
    let root = root_of(state_dir.as_ref())?;
    let nothing = CachePolicy::default().max_bytes(0);
    let removed = disk::sweep(&root, nothing.limits())?;
    for pipeline in disk::directories(&root)? {
        for factory in disk::directories(&pipeline)? {
            // A remaining entry keeps its directory and the directories above it.
            let _ = fs::remove_dir(factory);
        }
        let _ = fs::remove_dir(pipeline);
    }
    Ok(removed.into_iter().map(CacheEntry::from).collect())
}
