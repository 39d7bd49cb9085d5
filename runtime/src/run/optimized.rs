//! The passes of the optimiser over the plan of a run, before it begins.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::error::RunError;
use super::handling::{self, Conduct, Handling};
use super::learn;
use super::memory::Memory;
use super::options::Options;
use super::report::Report;
use super::runner::Runner;
use super::shared::{Launch, Replacement, Steps};
use crate::optimize::plan::{Explanation, FactoryFacts, Facts, Lowered, Planned, Went, optimize};
use crate::optimize::{Optimizer, Pass, Prediction};
use crate::plan::{Plan, PlanRef, Source};
use crate::policy::Policy;

/// What a report needs to explain the plan of its run.
#[derive(Clone)]
pub(crate) struct Explainable {
    /// None where no pass had anything to do in the run.
    planned: Option<Arc<Planned>>,
    optimizer: Optimizer,
    steps: Steps,
}

impl Explainable {
    pub(super) fn new(planned: Option<Arc<Planned>>, optimizer: Optimizer, steps: &Steps) -> Self {
        Self { planned, optimizer, steps: steps.clone() }
    }

    #[cfg(feature = "polars")]
    pub(super) fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    pub(super) fn explain(&self, plan: &Plan, report: &Report) -> Explanation {
        let planned = self.planned.clone().unwrap_or_else(|| {
            // Nothing was said of the run that bears on its plan.
            let factories = facts_of(plan, &self.steps, &[], |_| false);
            let workers = workers(None);
            let facts =
                Facts { plan, factories, is_partial: false, keeps_outputs: false, prediction: None, workers };
            let planned = optimize(&self.optimizer, &facts);
            // The names were found in order before the run, and none of these passes fails.
            Arc::new(planned.unwrap_or_else(|mistakes| unreachable!("{}", mistakes.join("; "))))
        });
        let learned = report.learned();
        let prediction = learned.and_then(|learned| learned.prediction.clone());
        Explanation::new(planned, self.optimizer.passes(), prediction).went(Went {
            makespan: report.makespan(),
            adaptations: learned.map(|learned| learned.adaptations.clone()).unwrap_or_default(),
            comparison: learned.and_then(|learned| learned.comparison.clone()),
            #[cfg(feature = "polars")]
            queries: report.queries().to_vec(),
        })
    }
}

/// Rewrites what is run, where a pass has something to do.
///
/// # Errors
/// Why the run cannot start, each mistake in a sentence.
pub(super) fn rewrite(
    launch: &mut Launch,
    conduct: &mut Conduct,
    options: &mut Options,
) -> Result<(), Vec<String>> {
    let optimizer = &options.optimizer;
    let is_selected = |handling: &Handling| handling.selected && handling.enabled;
    let has_prediction = options.learned.as_ref().is_some_and(|before| before.prediction().is_some());
    let has_something_to_do = optimizer.has_own()
        || has_prediction
        || (launch.has_twins && optimizer.has(Pass::MergeIdentical))
        || !conduct.handling.iter().all(is_selected);
    if !has_something_to_do {
        // Most runs: no name of a pass is said, and there is nothing to look at.
        return match optimizer.names_passes() {
            true => Some(optimizer.mistakes()).filter(|mistakes| !mistakes.is_empty()).map_or(Ok(()), Err),
            false => Ok(()),
        };
    }
    let prediction = options.learned.as_ref().and_then(|before| before.prediction());
    let planned = planned(launch, conduct, options, prediction)?;
    let Lowered { plan, merged, left_out, priorities } = Lowered::of(planned.after(), &launch.plan);
    if !merged.is_empty() {
        options.taken = taken(&launch.plan, &conduct.handling);
    }
    if let Some(plan) = plan {
        launch.plan = PlanRef::Shared(Arc::new(plan));
    }
    if !(merged.is_empty() && left_out.is_empty()) {
        conduct.handle_all(&launch.plan);
    }
    for (factory, into) in merged {
        conduct.handling[factory].merged_into = Some(into);
        // It holds nothing of its own.
        conduct.handling[factory].policy.memory = None;
    }
    for factory in left_out {
        conduct.handling[factory].selected = false;
    }
    if optimizer.has(Pass::CriticalPath)
        && let Some(before) = &mut options.learned
    {
        before.adapt_to(planned.after());
    }
    options.priorities = priorities;
    options.planned = Some(Arc::new(planned));
    Ok(())
}

/// For each factory, whether one that was asked for takes its output.
fn taken(plan: &Plan, handling: &[Handling]) -> Vec<bool> {
    let mut taken = vec![false; plan.factories.len()];
    let asked = |node: &usize| handling.get(*node).is_none_or(|handling| handling.selected);
    for node in (0..plan.factories.len()).filter(asked) {
        for source in plan.factories[node].all_sources() {
            if let Source::Factory(factory) = source {
                taken[factory] = true;
            }
        }
    }
    taken
}

/// What a run that is asked for like this would do.
///
/// # Errors
/// When it could not start.
pub(super) fn explain(launch: &Launch, options: &Options) -> Result<Explanation, RunError> {
    let mut options = options.for_explanation();
    let cannot_start =
        |mistakes| RunError::CannotStart { pipeline: launch.plan.pipeline.to_string(), mistakes };
    let conduct = handling::of_run(launch, &mut options).map_err(cannot_start)?;
    if let Some(limit) = options.memory_limit {
        let memory = Memory::new(limit, options.state_dir.as_deref());
        let mistakes = memory.objections(launch, |node| conduct.policy(&launch.plan, node));
        if !mistakes.is_empty() {
            return Err(cannot_start(mistakes));
        }
    }
    let prediction = options.learning.take().and_then(|learning| {
        let state = options.state_dir.clone();
        let how = learn::How::of(&options.optimizer, workers(options.concurrency));
        learn::before(launch, &learning, state, how).prediction().cloned()
    });
    let planned = planned(launch, &conduct, &options, prediction.as_ref()).map_err(cannot_start)?;
    Ok(Explanation::new(Arc::new(planned), options.optimizer.passes(), prediction))
}

fn planned(
    launch: &Launch,
    conduct: &Conduct,
    options: &Options,
    prediction: Option<&Prediction>,
) -> Result<Planned, Vec<String>> {
    let is_replaced = |node| {
        options.replacements.iter().any(|(replaced, _)| *replaced == node)
            || options.provided.iter().any(|(provided, _)| *provided == node)
    };
    let facts = Facts {
        plan: &launch.plan,
        factories: facts_of(&launch.plan, &launch.steps, &conduct.handling, is_replaced),
        is_partial: options.is_partial,
        keeps_outputs: conduct.has_checkpoints() || conduct.has_cached() || options.resume,
        prediction,
        workers: workers(options.concurrency),
    };
    optimize(&options.optimizer, &facts)
}

fn facts_of(
    plan: &Plan,
    steps: &[super::Step],
    handling: &[Handling],
    is_replaced: impl Fn(usize) -> bool,
) -> Vec<FactoryFacts> {
    let facts = |(node, step): (usize, &super::Step)| {
        let nature = (step.nature)();
        let handling = handling.get(node);
        let policy: Policy = match handling {
            Some(handling) => handling.policy,
            None => plan.factories[node].policy.or(&plan.defaults),
        };
        FactoryFacts {
            item: nature.item,
            function: nature.function,
            acts: nature.acts,
            policy,
            selected: handling.is_none_or(|handling| handling.selected),
            enabled: handling.is_none_or(|handling| handling.enabled),
            replaced: is_replaced(node),
        }
    };
    steps.iter().enumerate().map(facts).collect()
}

/// How many factories can run at once.
fn workers(concurrency: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = Handle::try_current().map_or_else(|_| cores(), |runtime| runtime.metrics().num_workers());
    concurrency.unwrap_or(threads).min(threads).max(1)
}

impl<P> Runner<P> {
    /// What the optimiser would make of this run, and why: the plan before and after each pass, and what is predicted. Nothing
    /// is run; where the run is to [learn](Runner::learn), its history is read, which blocks for a moment.
    ///
    /// ```
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn orders() -> Vec<u32> {
    ///     vec![1, 2]
    /// }
    ///
    /// #[factory]
    /// fn total(orders: Vec<u32>) -> u32 {
    ///     orders.iter().sum()
    /// }
    ///
    /// #[factory]
    /// fn print(total: u32) {
    ///     println!("{total}");
    /// }
    ///
    /// #[pipeline(extract(orders), transform(total), load(print))]
    /// struct Daily;
    ///
    /// # fn main() -> Result<()> {
    /// let explanation = Daily.run().up_to::<total>().explain()?;
    /// let (pass, decision) = explanation.decisions().next().unwrap();
    /// assert_eq!(pass, "prune");
    /// assert_eq!(decision.to_string(), "print: left out, since nobody needs it for what was asked for");
    /// println!("{explanation}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run could not start.
    pub fn explain(&self) -> Result<Explanation, RunError> {
        explain(&self.launch, &self.options)
    }
}

impl Report {
    /// The plan of the run before and after each pass of the optimiser, what was decided and why, what queries shared, and what
    /// was predicted beside what happened. What it prints begins like that of [`Runner::explain`](crate::Runner::explain).
    ///
    /// ```
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn answer() -> u32 {
    ///     42
    /// }
    ///
    /// #[pipeline(only(answer))]
    /// struct Deep;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let run = Deep.run().await?;
    /// println!("{}", run.explain());
    /// # assert!(run.explain().to_string().starts_with("plan: pipeline Deep"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn explain(&self) -> Explanation {
        self.explainable.explain(&self.plan, self)
    }
}

impl Options {
    /// What bears on the plan of the run.
    pub(super) fn for_explanation(&self) -> Self {
        let stand_in =
            || -> Replacement { Box::new(|| unreachable!("a run that is explained does not run")) };
        Self {
            concurrency: self.concurrency,
            no_write: self.no_write,
            memory_limit: self.memory_limit,
            state_dir: self.state_dir.clone(),
            #[cfg(feature = "config")]
            settings: self.settings.clone(),
            selection: self.selection.clone(),
            resume: self.resume,
            checkpoint_all: self.checkpoint_all,
            optimizer: self.optimizer.clone(),
            learning: self.learning.clone(),
            cache: self.cache.clone(),
            replacements: self.replacements.iter().map(|(node, _)| (*node, stand_in())).collect(),
            provided: self.provided.clone(),
            ..Self::default()
        }
    }
}
