//! Plans and explanations as text.

use std::collections::HashMap;
use std::fmt;

use super::{Explanation, Fate, PipelinePlan, PlanEdge, PlanNode, PlannedFactory};
use crate::inspect::conduct;
use petgraph::Direction;
use petgraph::visit::EdgeRef;
use setl_learn::model::seconds;

impl fmt::Display for PipelinePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pipeline {}", self.pipeline)?;
        for (index, stage) in self.stages.iter().enumerate() {
            let options =
                [(stage.barrier, "barrier"), (stage.sequential, "sequential"), (stage.no_write, "no_write")];
            let set: Vec<_> = options.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
            let set = if set.is_empty() { String::new() } else { format!(" ({})", set.join(", ")) };
            write!(f, "\n  stage {}{set}", stage.name)?;
            for factory in self.factories().filter(|factory| factory.stage == index) {
                write!(f, "\n    {}", self.line(factory, Costs::Shown))?;
            }
        }
        Ok(())
    }
}

/// Selects whether a factory is shown with its predicted cost.
#[derive(Clone, Copy, PartialEq)]
enum Costs {
    Shown,
    /// The prediction has a table of its own.
    LeftOut,
}

impl PipelinePlan {
    /// A factory as one line: its deliveries, its properties, and its planned execution.
    fn line(&self, factory: &PlannedFactory, costs: Costs) -> String {
        let mut line = format!("{} -> {}", factory.name, factory.output());
        if let Some(id) = factory.id {
            line.push_str(&format!(" [{id}]"));
        }
        match &factory.fate {
            Fate::Runs => {}
            Fate::LeftOut => return format!("{line}: left out"),
            Fate::MergedInto(other) => return format!("{line}: the output of {other}"),
        }
        let mut from: Vec<String> = Vec::new();
        for (_, _, node) in self.deliveries(factory.index) {
            let kind = if matches!(self.graph[node], PlanNode::Input { .. }) { "input " } else { "" };
            let name = format!("{kind}{}", self.name(node));
            if !from.contains(&name) {
                from.push(name);
            }
        }
        if !from.is_empty() {
            line.push_str(&format!(" from {}", from.join(", ")));
        }
        let costs = if costs == Costs::Shown { self.costs(factory) } else { self.preferred(factory) };
        for said in self.conditions(factory).into_iter().chain(costs) {
            line.push_str("; ");
            line.push_str(&said);
        }
        line
    }

    /// The lines of all factories, without predicted costs.
    fn lines(&self) -> Vec<String> {
        self.factories().map(|factory| self.line(factory, Costs::LeftOut)).collect()
    }

    /// The plan without predicted costs.
    fn without_costs(&self) -> String {
        let shown = self.to_string();
        let lines = self
            .factories()
            .map(|factory| (self.line(factory, Costs::Shown), self.line(factory, Costs::LeftOut)));
        let lines: HashMap<_, _> = lines.collect();
        let line = |line: &str| match lines.get(line.trim_start()) {
            Some(short) => format!("    {short}"),
            None => line.to_owned(),
        };
        shown.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The other properties of a factory, in a few words each.
    pub(super) fn said(&self, factory: &PlannedFactory) -> Vec<String> {
        self.conditions(factory).into_iter().chain(self.costs(factory)).collect()
    }

    /// The conditions for its start, and its failure policy.
    fn conditions(&self, factory: &PlannedFactory) -> Vec<String> {
        let mut said = conduct(&factory.policy);
        if !factory.enabled {
            said.push("switched off".to_owned());
        }
        let after: Vec<_> = self
            .graph
            .edges_directed(self.nodes[factory.index], Direction::Incoming)
            .filter(|edge| *edge.weight() == PlanEdge::Order)
            .map(|edge| self.name(edge.source()))
            .collect();
        if !after.is_empty() {
            // petgraph returns the last edge first.
            said.push(format!("after {}", after.into_iter().rev().collect::<Vec<_>>().join(", ")));
        }
        said
    }

    /// The predicted time and the priority.
    fn costs(&self, factory: &PlannedFactory) -> Vec<String> {
        let predicted = factory.seconds.map(|predicted| format!("about {}", seconds(predicted)));
        predicted.into_iter().chain(priority(factory)).collect()
    }

    /// The priority, if a pass of the program has set it.
    fn preferred(&self, factory: &PlannedFactory) -> Vec<String> {
        priority(factory).filter(|_| factory.preferred).into_iter().collect()
    }
}

fn priority(factory: &PlannedFactory) -> Option<String> {
    factory.priority.map(|priority| {
        // Three digits, as for times.
        let rounded: f64 = format!("{priority:.2e}").parse().unwrap_or(priority);
        format!("priority {rounded}")
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan: {}", self.before().without_costs())?;
        let mut shown = self.before().lines();
        for applied in self.applied().iter().filter(|applied| !applied.decisions.is_empty()) {
            let about = self.passes.iter().find(|pass| pass.name == applied.pass);
            let about = about.map(|pass| format!(": {}", pass.about)).unwrap_or_default();
            writeln!(f, "\n{}{about}", applied.pass)?;
            for decision in &applied.decisions {
                writeln!(f, "  {decision}")?;
            }
            // The lines that the pass has changed.
            let lines = applied.plan.as_ref().map(|plan| plan.lines()).unwrap_or_else(|| shown.clone());
            for (line, _) in lines.iter().zip(&shown).filter(|(line, before)| line != before) {
                writeln!(f, "  now: {line}")?;
            }
            shown = lines;
        }
        let names = |of_queries: bool, on: bool| {
            let wanted = self.passes.iter().filter(|pass| pass.of_queries == of_queries && pass.on == on);
            wanted.map(|pass| &*pass.name).collect::<Vec<_>>().join(", ")
        };
        let or_none = |names: String| if names.is_empty() { "none".to_owned() } else { names };
        write!(f, "\npasses over the plan: {}", or_none(names(false, true)))?;
        write!(f, "\npasses over queries, while it runs: {}", or_none(names(true, true)))?;
        let off = [names(false, false), names(true, false)];
        let off: Vec<_> = off.iter().filter(|names| !names.is_empty()).map(|names| &**names).collect();
        if !off.is_empty() {
            write!(f, "\nswitched off: {}", off.join(", "))?;
        }
        if let Some(prediction) = &self.prediction {
            write!(f, "\n\npredicted: {prediction}")?;
        }
        let Some(went) = &self.went else { return Ok(()) };
        for queries in &went.queries {
            write!(f, "\n\n{}", queries.to_string().trim_end())?;
        }
        if !went.adaptations.is_empty() {
            write!(f, "\n\ndecided anew, while it ran:")?;
            for adaptation in &went.adaptations {
                write!(f, "\n  {adaptation}")?;
            }
        }
        match &went.comparison {
            Some(comparison) => write!(f, "\n\nactual: {comparison}"),
            None => write!(f, "\n\nactual: {}", seconds(went.makespan.as_secs_f64())),
        }
    }
}
