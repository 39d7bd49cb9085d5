//! The passes of the optimiser over the plan of a run, before it begins.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::config::FactoryConfig;
use super::error::RunError;
use super::prepare::{consult, prepare};
use super::report::Report;
use super::request::Request;
use super::run_builder::RunBuilder;
use super::run_plan::RunPlan;
use super::shared::{Launch, Steps};
use crate::optimize::plan::{Explanation, FactoryFacts, Facts, Lowered, Planned, Went, optimize};
use crate::optimize::{Optimizer, Pass};
use crate::plan::{Plan, PlanRef, Source};
use crate::policy::Policy;

/// The data that a report needs to explain the plan of its run.
#[derive(Clone)]
pub(crate) struct Explainable {
    /// `None` if no pass had anything to do in the run.
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
            // The run has no options that affect its plan.
            let factories = facts_of(plan, &self.steps, &[], |_| false);
            let workers = workers(None);
            let facts =
                Facts { plan, factories, is_partial: false, keeps_outputs: false, prediction: None, workers };
            let planned = optimize(&self.optimizer, &facts);
            // The names were checked before the run, and none of these passes fails.
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

/// Rewrites the plan of a run, if a pass has something to do.
///
/// # Errors
/// The reasons why the run cannot start, each in a sentence.
pub(super) fn rewrite(run_plan: &mut RunPlan, request: &Request) -> Result<(), Vec<String>> {
    let optimizer = &run_plan.optimizer;
    let is_selected = |config: &FactoryConfig| config.selected && config.enabled;
    let has_prediction = run_plan.learned.as_ref().is_some_and(|before| before.prediction().is_some());
    let has_something_to_do = optimizer.has_own()
        || has_prediction
        || (run_plan.launch.has_twins && optimizer.has(Pass::MergeIdentical))
        || !run_plan.factories.iter().all(is_selected);
    if !has_something_to_do {
        // In most runs no pass is named, and there is nothing to check.
        return match optimizer.names_passes() {
            true => Some(optimizer.mistakes()).filter(|mistakes| !mistakes.is_empty()).map_or(Ok(()), Err),
            false => Ok(()),
        };
    }
    let planned = planned(run_plan, request)?;
    let Lowered { plan, merged, left_out, priorities } = Lowered::of(planned.after(), run_plan.plan());
    if !merged.is_empty() {
        run_plan.taken = taken(run_plan.plan(), &run_plan.factories);
    }
    if let Some(plan) = plan {
        run_plan.launch.plan = PlanRef::Shared(Arc::new(plan));
    }
    if !(merged.is_empty() && left_out.is_empty()) {
        run_plan.configure_each();
    }
    for (factory, into) in merged {
        run_plan.factories[factory].merged_into = Some(into);
        // A merged factory holds no memory of its own.
        run_plan.factories[factory].policy.memory = None;
    }
    for factory in left_out {
        run_plan.factories[factory].selected = false;
    }
    if run_plan.optimizer.has(Pass::CriticalPath)
        && let Some(before) = &mut run_plan.learned
    {
        before.adapt_to(planned.after());
    }
    run_plan.priorities = priorities;
    run_plan.planned = Some(Arc::new(planned));
    Ok(())
}

/// For each factory, `true` if a selected factory takes its output.
fn taken(plan: &Plan, configs: &[FactoryConfig]) -> Vec<bool> {
    let mut taken = vec![false; plan.factories.len()];
    let asked = |node: &usize| configs.get(*node).is_none_or(|config| config.selected);
    for node in (0..plan.factories.len()).filter(asked) {
        for source in plan.factories[node].all_sources() {
            if let Source::Factory(factory) = source {
                taken[factory] = true;
            }
        }
    }
    taken
}

/// Explains the plan of a run with this request.
///
/// # Errors
/// When the run could not start.
pub(super) fn explain(launch: &Launch, request: &Request) -> Result<Explanation, RunError> {
    let cannot_start =
        |mistakes| RunError::CannotStart { pipeline: launch.plan.pipeline.to_string(), mistakes };
    let mut run_plan = prepare(launch.clone(), request).map_err(cannot_start)?;
    let workers = workers(run_plan.concurrency);
    consult(&mut run_plan, request, workers);
    let planned = planned(&run_plan, request).map_err(cannot_start)?;
    let prediction = run_plan.learned.and_then(|before| before.prediction().cloned());
    Ok(Explanation::new(Arc::new(planned), run_plan.optimizer.passes(), prediction))
}

fn planned(run_plan: &RunPlan, request: &Request) -> Result<Planned, Vec<String>> {
    let Launch { plan, steps, .. } = &run_plan.launch;
    let facts = Facts {
        plan,
        factories: facts_of(plan, steps, &run_plan.factories, |factory| request.replaces(factory)),
        is_partial: run_plan.is_partial,
        keeps_outputs: run_plan.has_checkpoints() || run_plan.has_cached() || request.resume,
        prediction: run_plan.learned.as_ref().and_then(|before| before.prediction()),
        workers: workers(run_plan.concurrency),
    };
    optimize(&run_plan.optimizer, &facts)
}

fn facts_of(
    plan: &Plan,
    steps: &[super::Step],
    configs: &[FactoryConfig],
    is_replaced: impl Fn(usize) -> bool,
) -> Vec<FactoryFacts> {
    let facts = |(node, step): (usize, &super::Step)| {
        let nature = (step.nature)();
        let config = configs.get(node);
        let policy: Policy = match config {
            Some(config) => config.policy,
            None => plan.factories[node].policy.or(&plan.defaults),
        };
        FactoryFacts {
            item: nature.item,
            function: nature.function,
            acts: nature.acts,
            policy,
            selected: config.is_none_or(|config| config.selected),
            enabled: config.is_none_or(|config| config.enabled),
            replaced: is_replaced(node),
        }
    };
    steps.iter().enumerate().map(facts).collect()
}

/// The number of factories that can run at the same time.
pub(super) fn workers(concurrency: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = Handle::try_current().map_or_else(|_| cores(), |runtime| runtime.metrics().num_workers());
    concurrency.unwrap_or(threads).min(threads).max(1)
}

impl<P> RunBuilder<P> {
    /// Explains the plan of this run without running it: the plan before and after each pass, the decisions with their reasons,
    /// and the prediction. If the run [learns](RunBuilder::learn), its history is read, which blocks for a short time.
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
        explain(&self.launch, &self.request)
    }
}

impl Report {
    /// Explains the plan of the run: the plan before and after each pass of the optimiser, the decisions with their reasons, the
    /// shared parts of queries, and the prediction compared with the measurements. The text begins like that of
    /// [`RunBuilder::explain`](crate::RunBuilder::explain).
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
