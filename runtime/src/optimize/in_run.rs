//! The passes of the optimiser over the plan of a run, before it begins.

use std::fmt;
use std::sync::{Arc, LazyLock};

use tokio::runtime::Handle;

use crate::optimize::plan::{FactoryFacts, Facts, Lowered, Planned, optimize};
use crate::optimize::{Optimizer, Pass};
use crate::plan::{Node, Plan, PlanRef, Source};
use crate::policy::{OptimizerOff, Policy};
use crate::run::extension::Extension;
use crate::run::factory_config::FactoryConfig;
use crate::run::hook::{Hook, Points};
use crate::run::report::Report;
use crate::run::request::Request;
use crate::run::run_builder::RunBuilder;
use crate::run::run_plan::RunPlan;
use crate::run::shared::{Launch, Shared, Steps};
use setl_learn::Prediction;

/// The data that a report needs to explain the plan of its run.
#[derive(Clone)]
pub(crate) struct Explainable {
    /// `None` if no pass had anything to do in the run.
    planned: Option<Arc<Planned>>,
    optimizer: Optimizer,
    steps: Steps,
}

impl Explainable {
    fn new(planned: Option<Arc<Planned>>, optimizer: Optimizer, steps: &Steps) -> Self {
        Self { planned, optimizer, steps: steps.clone() }
    }

    /// The plan before and after each pass.
    pub(crate) fn planned(&self, plan: &Plan) -> Arc<Planned> {
        self.planned.clone().unwrap_or_else(|| {
            // The run has no options that affect its plan.
            let factories = facts_of(plan, &self.steps, &[], |_| false);
            let workers = workers(None);
            let facts =
                Facts { plan, factories, is_partial: false, keeps_outputs: false, prediction: None, workers };
            let planned = optimize(&self.optimizer, &facts);
            // The names were checked before the run, and none of these passes fails.
            Arc::new(planned.unwrap_or_else(|mistakes| unreachable!("{}", mistakes.join("; "))))
        })
    }

    pub(crate) fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }
}

/// The optimiser of plans, as an extension.
pub(crate) struct OptimizesPlans;

impl Extension for OptimizesPlans {
    fn prepare(&self, plan: &mut RunPlan, request: &Request) -> Result<(), Vec<String>> {
        let mut optimizer = request.options.get::<Optimizer>().cloned().unwrap_or_default();
        if let Some(off) = plan.options.get::<OptimizerOff>() {
            optimizer.switch_off(off);
        }
        plan.options.set(optimizer);
        Ok(())
    }

    fn rewrite(&self, plan: &mut RunPlan, request: &Request) -> Result<(), Vec<String>> {
        rewrite(plan, request)
    }

    fn attach(&self, plan: &mut RunPlan) {
        let optimizer = optimizer_of(plan).clone();
        let explainable = Explainable::new(plan.options.take(), optimizer, &plan.launch.steps);
        plan.hooks.push(Box::new(explainable));
    }
}

impl Hook for Explainable {
    fn points(&self) -> Points {
        Points::NONE
    }

    fn report(&self, _: &Shared, report: &mut Report) {
        report.add(self.clone());
    }
}

impl fmt::Display for Explainable {
    /// The explanation is asked for where it is wanted.
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl fmt::Debug for Explainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explainable").field("planned", &self.planned).finish_non_exhaustive()
    }
}

/// The optimiser of a run, with the settings applied.
pub(crate) fn optimizer_of(plan: &RunPlan) -> &Optimizer {
    static DEFAULT: LazyLock<Optimizer> = LazyLock::new(Optimizer::default);
    plan.options.get().unwrap_or(&DEFAULT)
}

/// The prediction of the cost of a run, if it has one.
pub(crate) fn prediction(plan: &RunPlan) -> Option<&Prediction> {
    plan.options.get()
}

/// Rewrites the plan of a run, if a pass has something to do.
///
/// # Errors
/// The reasons why the run cannot start, each in a sentence.
fn rewrite(run_plan: &mut RunPlan, request: &Request) -> Result<(), Vec<String>> {
    let optimizer = optimizer_of(run_plan);
    let is_selected = |config: &FactoryConfig| config.selected && config.enabled;
    let has_something_to_do = optimizer.has_own()
        || prediction(run_plan).is_some()
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
        configure_each(run_plan);
    }
    for (factory, into) in merged {
        run_plan.factories[factory].merged_into = Some(into);
        // A merged factory holds no memory of its own.
        run_plan.factories[factory].policy.memory = None;
    }
    for factory in left_out {
        run_plan.factories[factory].selected = false;
    }
    run_plan.priorities = priorities;
    run_plan.options.set(Arc::new(planned));
    Ok(())
}

/// Gives each factory a configuration of its own, where all had the default one.
fn configure_each(run_plan: &mut RunPlan) {
    if run_plan.factories.is_empty() {
        let config = |node: &Node| FactoryConfig {
            policy: *node.policy,
            selected: true,
            enabled: true,
            kept: false,
            supervised: false,
            merged_into: None,
        };
        run_plan.factories = run_plan.plan().factories.iter().map(config).collect();
    }
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

/// The plan of a run before and after each pass.
///
/// # Errors
/// The reasons why the run cannot start, each in a sentence.
pub(crate) fn planned(run_plan: &RunPlan, request: &Request) -> Result<Planned, Vec<String>> {
    let Launch { plan, steps, .. } = &run_plan.launch;
    let facts = Facts {
        plan,
        factories: facts_of(plan, steps, &run_plan.factories, |factory| request.replaces(factory)),
        is_partial: run_plan.is_partial,
        keeps_outputs: run_plan.has_checkpoints() || run_plan.has_cached() || request.resume,
        prediction: prediction(run_plan),
        workers: workers(run_plan.concurrency),
    };
    optimize(optimizer_of(run_plan), &facts)
}

fn facts_of(
    plan: &Plan,
    steps: &[crate::run::Step],
    configs: &[FactoryConfig],
    is_replaced: impl Fn(usize) -> bool,
) -> Vec<FactoryFacts> {
    let facts = |(node, step): (usize, &crate::run::Step)| {
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
pub(crate) fn workers(concurrency: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = Handle::try_current().map_or_else(|_| cores(), |runtime| runtime.metrics().num_workers());
    concurrency.unwrap_or(threads).min(threads).max(1)
}

impl<P> RunBuilder<P> {
    /// Sets the passes of the optimiser for this run. Default: all passes are on.
    ///
    /// ```
    /// use setl::optimize::{Optimizer, Pass};
    /// use setl::prelude::*;
    ///
    /// # #[factory]
    /// # fn answer() -> u32 { 42 }
    /// # #[pipeline(only(answer))]
    /// # struct Daily;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// Daily.run().optimizer(Optimizer::new().without(Pass::ShareScans)).await?;
    /// Daily.run().optimizer(Optimizer::off()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.request.options.set(optimizer);
        self
    }
}
