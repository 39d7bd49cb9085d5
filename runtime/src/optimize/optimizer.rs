//! The settings of the optimiser.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::plan::{PlanPass, built_in};
use crate::base::names::did_you_mean;
use crate::policy::OptimizerOff;

/// An optimisation that can be switched off on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Pass {
    /// Leaves out factories that no selected output needs.
    Prune,
    /// Runs a factory once if it occurs under several names with the same deliveries.
    MergeIdentical,
    /// Finds the earliest stage of each factory. This informs about the stages, and does not change the run.
    EarliestStage,
    /// Starts the factory with the longest remaining path first, if times are predicted.
    CriticalPath,
    /// Runs the queries together for which factories wait at the same time. Without this pass, Polars runs each query on its own,
    /// and the passes below have no effect.
    Gather,
    /// Computes a join, aggregate, sort or similar operation once if it occurs in several places.
    ShareSubplans,
    /// Reads a file once for several queries, with the columns that they need, if this saves time.
    ShareScans,
    /// Marks the columns of a shared file that are sorted.
    MarkSorted,
    /// Chooses the Polars engine that is faster for a query.
    ChooseEngine,
    /// Runs several queries in parallel.
    ParallelQueries,
}

impl Pass {
    /// All passes, in the order in which they are applied.
    pub const ALL: [Self; 10] = [
        Self::Prune,
        Self::MergeIdentical,
        Self::EarliestStage,
        Self::CriticalPath,
        Self::Gather,
        Self::ShareSubplans,
        Self::ShareScans,
        Self::MarkSorted,
        Self::ChooseEngine,
        Self::ParallelQueries,
    ];

    /// The passes over the [plan](super::plan::PipelinePlan) of a pipeline. They are applied before it runs.
    pub const OF_PLANS: [Self; 4] =
        [Self::Prune, Self::MergeIdentical, Self::EarliestStage, Self::CriticalPath];

    /// The passes over queries. They are applied during the run, when factories wait for queries.
    pub const OF_QUERIES: [Self; 6] = [
        Self::Gather,
        Self::ShareSubplans,
        Self::ShareScans,
        Self::MarkSorted,
        Self::ChooseEngine,
        Self::ParallelQueries,
    ];

    /// The name of the pass, as in settings and explanations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prune => "prune",
            Self::MergeIdentical => "merge-identical",
            Self::EarliestStage => "earliest-stage",
            Self::CriticalPath => "critical-path",
            Self::Gather => "gather",
            Self::ShareSubplans => "share-subplans",
            Self::ShareScans => "share-scans",
            Self::MarkSorted => "mark-sorted",
            Self::ChooseEngine => "choose-engine",
            Self::ParallelQueries => "parallel-queries",
        }
    }

    /// A short description of the pass.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Prune => "leaves out what nobody needs",
            Self::MergeIdentical => "runs once what is the same function with the same deliveries",
            Self::EarliestStage => {
                "finds the earliest stage of each factory, which starts when its deliveries are there either way"
            }
            Self::CriticalPath => "starts first what the end of the run waits for longest",
            Self::Gather => "runs queries together for which factories wait at the same time",
            Self::ShareSubplans => "computes once what stands in several queries",
            Self::ShareScans => "reads a file once that several queries read, where that pays",
            Self::MarkSorted => "tells Polars which columns of a shared file are in order",
            Self::ChooseEngine => "lets the engine of Polars run a query that is faster for it",
            Self::ParallelQueries => "runs several queries at once",
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a pass: a [`Pass`], or a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassName(Cow<'static, str>);

impl From<Pass> for PassName {
    fn from(pass: Pass) -> Self {
        Self(Cow::Borrowed(pass.name()))
    }
}

impl From<&'static str> for PassName {
    fn from(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl From<String> for PassName {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

/// A pass in the [list of passes](Optimizer::passes).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassInfo {
    /// The name of the pass.
    pub name: String,
    /// A short description of the pass.
    pub about: String,
    /// `true` for a pass over queries, `false` for a pass over the plan.
    pub of_queries: bool,
    /// `true` if the pass is applied.
    pub on: bool,
}

/// The passes that the program has added.
#[derive(Clone, Default)]
struct OwnPasses(Vec<Arc<dyn PlanPass>>);

impl fmt::Debug for OwnPasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|pass| pass.name())).finish()
    }
}

/// Two passes are equal if they are the same object: their code cannot be compared.
impl PartialEq for OwnPasses {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(this, other)| Arc::ptr_eq(this, other))
    }
}

impl Eq for OwnPasses {}

/// The settings of the optimiser in a run. Default: all passes are on.
///
/// Each pass has a name: a pass of `setl` has the name of its [`Pass`], and a pass of the program has [its own](PlanPass::name).
/// An unknown name prevents the run from starting.
///
/// No pass changes a result. The only exception is the order of rows: rows that no `sort` puts in order, and whose order Polars
/// does not guarantee, may come in another order.
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
    off: BTreeSet<PassName>,
    /// The passes that are applied first, in this order.
    first: Vec<PassName>,
    own: OwnPasses,
    longest_wait: Duration,
    parallel_queries: Option<usize>,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer {
    /// Switches all passes on.
    pub fn new() -> Self {
        Self {
            off: BTreeSet::new(),
            first: Vec::new(),
            own: OwnPasses::default(),
            longest_wait: Duration::from_millis(20),
            parallel_queries: None,
        }
    }

    /// Switches all passes off: Polars runs each query on its own when a factory asks for it.
    pub fn off() -> Self {
        Self { off: Pass::ALL.into_iter().map(PassName::from).collect(), ..Self::new() }
    }

    /// Switches one pass off.
    ///
    /// ```
    /// use setl::optimize::{Optimizer, Pass};
    ///
    /// assert_eq!(Optimizer::new().without("share-scans"), Optimizer::new().without(Pass::ShareScans));
    /// ```
    #[must_use]
    pub fn without(mut self, pass: impl Into<PassName>) -> Self {
        self.off.insert(pass.into());
        self
    }

    /// Switches one pass on.
    #[must_use]
    pub fn with(mut self, pass: impl Into<PassName>) -> Self {
        self.off.remove(&pass.into());
        self
    }

    /// `true` if the pass is on.
    pub fn has(&self, pass: impl Into<PassName>) -> bool {
        !self.off.contains(&pass.into())
    }

    /// Adds a pass over the plan of the pipeline, after the present ones. For an example see [`plan`](super::plan).
    #[must_use]
    pub fn pass(mut self, pass: impl PlanPass + 'static) -> Self {
        self.own.0.push(Arc::new(pass));
        self
    }

    /// Applies these passes first, in this order. The other passes follow in their usual order. The order of passes over queries
    /// cannot be changed.
    ///
    /// ```
    /// use setl::optimize::{Optimizer, Pass};
    ///
    /// let optimizer = Optimizer::new().first([Pass::EarliestStage]);
    /// assert_eq!(optimizer.passes()[0].name, "earliest-stage");
    /// ```
    #[must_use]
    pub fn first(mut self, passes: impl IntoIterator<Item = impl Into<PassName>>) -> Self {
        self.first = passes.into_iter().map(Into::into).collect();
        self
    }

    /// All passes, in the order in which they are applied, including those that are off.
    ///
    /// ```
    /// use setl::optimize::{Optimizer, Pass};
    ///
    /// let passes = Optimizer::new().without(Pass::Prune).passes();
    /// assert_eq!((&*passes[0].name, passes[0].on), ("prune", false));
    /// assert_eq!(passes.last().map(|pass| &*pass.name), Some("parallel-queries"));
    /// ```
    pub fn passes(&self) -> Vec<PassInfo> {
        let of_plans = self.all_plan_passes().into_iter().map(|pass| PassInfo {
            name: pass.name().to_owned(),
            about: pass.about().to_owned(),
            of_queries: false,
            on: self.has(pass.name().to_owned()),
        });
        let of_queries = Pass::OF_QUERIES.into_iter().map(|pass| PassInfo {
            name: pass.name().to_owned(),
            about: pass.about().to_owned(),
            of_queries: true,
            on: self.has(pass),
        });
        of_plans.chain(of_queries).collect()
    }

    /// The passes over plans that are on, in their order.
    pub(crate) fn plan_passes(&self) -> impl Iterator<Item = &dyn PlanPass> {
        self.all_plan_passes().into_iter().filter(|pass| self.has(pass.name().to_owned()))
    }

    fn all_plan_passes(&self) -> Vec<&dyn PlanPass> {
        let built_in = Pass::OF_PLANS.into_iter().filter_map(built_in);
        let mut passes: Vec<&dyn PlanPass> =
            built_in.map(|pass| pass as &dyn PlanPass).chain(self.own.0.iter().map(|pass| &**pass)).collect();
        passes.sort_by_key(|pass| {
            self.first.iter().position(|first| first.0 == pass.name()).unwrap_or(self.first.len())
        });
        passes
    }

    /// Switches off the passes that the settings name.
    pub(crate) fn switch_off(&mut self, off: &OptimizerOff) {
        if off.all {
            self.off = self.passes().into_iter().map(|pass| PassName::from(pass.name)).collect();
        }
        self.off.extend(off.passes.iter().cloned().map(PassName::from));
    }

    /// `true` if the program has added passes, which have to see each plan.
    pub(crate) fn has_own(&self) -> bool {
        !self.own.0.is_empty()
    }

    /// `true` if the settings name a pass, so that a name may be wrong.
    pub(crate) fn names_passes(&self) -> bool {
        !self.off.is_empty() || !self.first.is_empty() || self.has_own()
    }

    /// The names that are unknown or ambiguous, each in a sentence.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let of_plans: Vec<_> = self.all_plan_passes().into_iter().map(|pass| pass.name()).collect();
        let of_queries = Pass::OF_QUERIES.map(Pass::name);
        let all = || of_plans.iter().copied().chain(of_queries);
        let mut mistakes = Vec::new();
        for name in self.off.iter().filter(|name| !all().any(|known| known == name.0)) {
            let near = did_you_mean(&name.0, all());
            mistakes.push(format!("the optimiser has no pass `{}` to be switched off{near}", name.0));
        }
        for name in self.first.iter().filter(|name| !of_plans.iter().any(|known| *known == name.0)) {
            mistakes.push(match of_queries.iter().any(|known| *known == name.0) {
                true => format!(
                    "pass `{}` of the optimiser is one over queries, whose order is their own: leave it out of `first`",
                    name.0
                ),
                false => format!(
                    "the optimiser has no pass `{}` to be applied first{}",
                    name.0,
                    did_you_mean(&name.0, of_plans.iter().copied())
                ),
            });
        }
        for own in &self.own.0 {
            if all().filter(|name| *name == own.name()).count() > 1 {
                let mistake = format!(
                    "two passes of the optimiser are called `{}`: give each a name of its own",
                    own.name()
                );
                if !mistakes.contains(&mistake) {
                    mistakes.push(mistake);
                }
            }
        }
        mistakes
    }

    /// Sets the maximum time that queries wait for the queries of other busy factories. Default: 20 ms. Queries do not wait if no
    /// factory is busy.
    #[must_use]
    pub fn wait_at_most(mut self, longest: Duration) -> Self {
        self.longest_wait = longest;
        self
    }

    /// Sets the maximum number of queries that run at the same time. Default: the number of cores. Each query uses all threads of
    /// Polars as far as it can. If the number is more than one, a factory that has its result may have its next query run beside
    /// the others.
    #[must_use]
    pub fn parallel_queries(mut self, queries: usize) -> Self {
        self.parallel_queries = Some(queries.max(1));
        self
    }
    pub(crate) fn longest_wait(&self) -> Duration {
        self.longest_wait
    }
    pub(crate) fn max_parallel_queries(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.parallel_queries.unwrap_or_else(cores)
    }

    /// `true` if queries are run one by one, in any batch.
    pub(crate) fn runs_one_by_one(&self) -> bool {
        !self.has(Pass::ParallelQueries) || self.max_parallel_queries() == 1
    }
}
