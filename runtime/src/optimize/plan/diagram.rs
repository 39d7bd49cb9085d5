//! A plan as a picture.

use std::fmt::{self, Write};

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::{Fate, PipelinePlan, PlanEdge, PlanNode, PlannedFactory};
use crate::inspect::{dot_text, mermaid_text, short_type};

/// A [plan](PipelinePlan) as a picture. Prints as Mermaid, which Markdown viewers draw.
///
/// Ovals are inputs and outputs of the run, boxes are factories, frames are stages, arrows are deliveries. What does not run
/// has a dashed frame; a dotted arrow says which output it has, if it has one, or what a pass has put in order.
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
/// # fn main() -> Result<()> {
/// let explanation = Deep.run().explain()?;
/// println!("{}\n{}", explanation.before().diagram(), explanation.after().diagram());
/// assert!(explanation.after().diagram().dot().starts_with("digraph \"Deep\" {"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PlanDiagram<'plan> {
    plan: &'plan PipelinePlan,
}

impl PipelinePlan {
    /// The plan as a picture, in Mermaid or DOT.
    pub fn diagram(&self) -> PlanDiagram<'_> {
        PlanDiagram { plan: self }
    }

    /// What stands in the box of a factory.
    fn box_of(&self, factory: &PlannedFactory) -> Vec<String> {
        let mut lines = vec![factory.name.to_string(), format!("→ {}", factory.output())];
        match &factory.fate {
            Fate::Runs => lines.extend(self.said(factory)),
            Fate::LeftOut => lines.push("left out".to_owned()),
            Fate::MergedInto(other) => lines.push(format!("the output of {other}")),
        }
        lines
    }

    fn frame_of(&self, stage: usize) -> String {
        let stage = &self.stages[stage];
        let options =
            [(stage.barrier, "barrier"), (stage.sequential, "sequential"), (stage.no_write, "no_write")];
        let set = options.iter().filter(|(set, _)| *set).map(|(_, name)| format!(" · {name}"));
        format!("{}{}", stage.name, set.collect::<String>())
    }

    /// What is no factory and is drawn: inputs and sinks, with their text.
    fn ovals(&self) -> impl Iterator<Item = (NodeIndex, Vec<String>)> {
        self.graph.node_indices().filter_map(|node| match &self.graph[node] {
            PlanNode::Input { name, type_name } => {
                Some((node, vec![name.to_string(), short_type(type_name)]))
            }
            PlanNode::Sink { .. } => Some((node, vec!["output".to_owned()])),
            PlanNode::Factory(_) | PlanNode::Barrier { .. } => None,
        })
    }

    /// The arrows: from where, to where, with which text, and whether it is solid. What waits only because of its stage can be
    /// seen from the frames.
    fn arrows(&self) -> Vec<(NodeIndex, NodeIndex, Option<&'static str>, bool)> {
        let mut arrows: Vec<_> = self
            .graph
            .edge_references()
            .filter_map(|edge| {
                let (text, solid) = match *edge.weight() {
                    PlanEdge::Delivery { name, optional, .. } => (Some(name), !optional),
                    PlanEdge::Same => (Some("the same"), false),
                    PlanEdge::Order => (Some("first"), false),
                    PlanEdge::Output => (None, true),
                    PlanEdge::Sequence | PlanEdge::Barrier => return None,
                };
                Some((edge.source(), edge.target(), text, solid))
            })
            .collect();
        // What is taken away and added elsewhere must not move the rest.
        arrows.sort_by_key(|(from, to, ..)| (*to, *from));
        arrows
    }
}

impl PlanDiagram<'_> {
    /// For [Mermaid](https://mermaid.js.org): in a Markdown block ```` ```mermaid ````.
    pub fn mermaid(&self) -> String {
        let plan = self.plan;
        let mut text = String::from("flowchart LR\n");
        // Writing to a string cannot fail.
        let _ = (|| -> fmt::Result {
            for (node, lines) in plan.ovals() {
                writeln!(text, "    n{}([{}])", node.index(), mermaid_text(&lines))?;
            }
            for stage in 0..plan.stages.len() {
                writeln!(text, "    subgraph stage{stage}[{}]", mermaid_text(&[plan.frame_of(stage)]))?;
                for factory in plan.factories().filter(|factory| factory.stage == stage) {
                    let node = plan.nodes[factory.index].index();
                    writeln!(text, "        n{node}[{}]", mermaid_text(&plan.box_of(factory)))?;
                    if !factory.runs() {
                        writeln!(text, "        style n{node} stroke-dasharray: 4")?;
                    }
                }
                writeln!(text, "    end")?;
            }
            for (from, to, name, solid) in plan.arrows() {
                let arrow = if solid { "-->" } else { "-.->" };
                let name = name.map(|name| format!("|{}|", mermaid_text(&[name]))).unwrap_or_default();
                writeln!(text, "    n{} {arrow}{name} n{}", from.index(), to.index())?;
            }
            Ok(())
        })();
        text
    }

    /// For [Graphviz](https://graphviz.org): `dot -Tsvg`.
    pub fn dot(&self) -> String {
        let plan = self.plan;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = (|| -> fmt::Result {
            writeln!(text, "digraph {} {{", dot_text(&[&plan.pipeline]))?;
            writeln!(
                text,
                "    rankdir=LR; node [shape=box, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\"];"
            )?;
            for (node, lines) in plan.ovals() {
                writeln!(text, "    n{} [shape=oval, label={}];", node.index(), dot_text(&lines))?;
            }
            for stage in 0..plan.stages.len() {
                writeln!(text, "    subgraph cluster{stage} {{")?;
                writeln!(text, "        label={};", dot_text(&[plan.frame_of(stage)]))?;
                for factory in plan.factories().filter(|factory| factory.stage == stage) {
                    let style = if factory.runs() { "" } else { "style=dashed, " };
                    let node = plan.nodes[factory.index].index();
                    writeln!(text, "        n{node} [{style}label={}];", dot_text(&plan.box_of(factory)))?;
                }
                writeln!(text, "    }}")?;
            }
            for (from, to, name, solid) in plan.arrows() {
                let mut options = Vec::new();
                options.extend(name.map(|name| format!("label={}", dot_text(&[name]))));
                options.extend((!solid).then(|| "style=dashed".to_owned()));
                let options =
                    if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
                writeln!(text, "    n{} -> n{}{options};", from.index(), to.index())?;
            }
            writeln!(text, "}}")
        })();
        text
    }
}

impl fmt::Display for PlanDiagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mermaid())
    }
}
