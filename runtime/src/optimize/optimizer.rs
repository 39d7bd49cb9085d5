//! What the optimiser may do.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// One thing that the optimiser does, which can be switched off by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Pass {
    /// Queries that factories wait for at the same time are run together. Without it, the passes that follow see one query at
    /// a time, and there is nothing to share.
    Gather,
    /// A join, aggregate, sort or the like that stands in several places is computed once.
    ShareSubplans,
    /// A file that several queries read is read once, with the columns that they read, where that pays.
    ShareScans,
    /// Columns of a shared file that are in order are known to be.
    MarkSorted,
    /// The engine of Polars that is faster for a query runs it.
    ChooseEngine,
    /// Several queries are run at once.
    QueriesAtOnce,
}

impl Pass {
    /// All of them, in the order in which they are applied.
    pub const ALL: [Self; 6] = [
        Self::Gather,
        Self::ShareSubplans,
        Self::ShareScans,
        Self::MarkSorted,
        Self::ChooseEngine,
        Self::QueriesAtOnce,
    ];

    /// Its name, as in settings and explanations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gather => "gather",
            Self::ShareSubplans => "share-subplans",
            Self::ShareScans => "share-scans",
            Self::MarkSorted => "mark-sorted",
            Self::ChooseEngine => "choose-engine",
            Self::QueriesAtOnce => "queries-at-once",
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the optimiser may do in a run: all of it, unless something is switched off.
///
/// No pass changes what comes out. Rows that no `sort` puts in order, and whose order Polars does not promise otherwise, may
/// come in another order.
///
/// ```
/// use setl::optimize::{Optimizer, Pass};
///
/// let optimizer = Optimizer::new().without(Pass::ChooseEngine);
/// assert!(optimizer.has(Pass::Gather));
/// assert!(!optimizer.has(Pass::ChooseEngine));
/// assert!(!Optimizer::off().has(Pass::Gather));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimizer {
    off: BTreeSet<Pass>,
    longest_wait: Duration,
    queries_at_once: Option<usize>,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer {
    /// All passes.
    pub fn new() -> Self {
        Self { off: BTreeSet::new(), longest_wait: Duration::from_millis(20), queries_at_once: None }
    }

    /// No pass: each query is run when a factory asks for it, as Polars does it by itself.
    pub fn off() -> Self {
        Self { off: Pass::ALL.into_iter().collect(), ..Self::new() }
    }

    /// Switches one pass off.
    #[must_use]
    pub fn without(mut self, pass: Pass) -> Self {
        self.off.insert(pass);
        self
    }

    /// Switches one pass on.
    #[must_use]
    pub fn with(mut self, pass: Pass) -> Self {
        self.off.remove(&pass);
        self
    }

    /// Whether a pass is on.
    pub fn has(&self, pass: Pass) -> bool {
        !self.off.contains(&pass)
    }

    /// How long queries that could run wait at most for those of other factories that are still busy: 20 ms if nothing is
    /// said. Where nobody is busy, they do not wait.
    #[must_use]
    pub fn wait_at_most(mut self, longest: Duration) -> Self {
        self.longest_wait = longest;
        self
    }

    /// Runs so many queries at once: as many as there are cores, if nothing is said. Each uses all threads of Polars as far as
    /// it can.
    #[must_use]
    pub fn run_at_once(mut self, queries: usize) -> Self {
        self.queries_at_once = Some(queries.max(1));
        self
    }

    #[cfg(feature = "polars")]
    pub(crate) fn longest_wait(&self) -> Duration {
        self.longest_wait
    }

    #[cfg(feature = "polars")]
    pub(crate) fn queries_at_once(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.queries_at_once.unwrap_or_else(cores)
    }
}
