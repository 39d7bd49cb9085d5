//! The plan as a diagram.

use std::fmt;

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::{Fate, PipelinePlan, PlanEdge, PlanNode, PlannedFactory};
use crate::inspect::drawing::{Arrow, Drawing, Frame, Shape, stage_label};
use crate::inspect::short_type;

/// A [plan](PipelinePlan) as a diagram. Prints as Mermaid, which Markdown viewers draw.
///
/// Ovals are inputs and outputs of the run, boxes are factories, frames are stages, arrows are deliveries. A factory that does
/// not run has a dashed frame. A dotted arrow leads from the factory whose output it has, if there is one, or shows an order that
/// a pass has set.
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
    /// The plan as a diagram, in Mermaid or DOT.
    pub fn diagram(&self) -> PlanDiagram<'_> {
        PlanDiagram { plan: self }
    }

    /// The text in the box of a factory.
    fn box_of(&self, factory: &PlannedFactory) -> Vec<String> {
        let mut lines = vec![factory.name.to_string(), format!("→ {}", factory.output())];
        match &factory.fate {
            Fate::Runs => lines.extend(self.said(factory)),
            Fate::LeftOut => lines.push("left out".to_owned()),
            Fate::MergedInto(other) => lines.push(format!("the output of {other}")),
        }
        lines
    }

    fn drawing(&self) -> Drawing {
        let id = |node: NodeIndex| format!("n{}", node.index());
        let ovals = self.ovals().map(|(node, lines)| Shape { id: id(node), lines, dashed: false });
        let frames = self.stages.iter().enumerate().map(|(index, stage)| {
            let label = stage_label(&stage.name, stage.barrier, stage.sequential, stage.no_write);
            let boxes = self.factories().filter(|factory| factory.stage == index).map(|factory| Shape {
                id: id(self.nodes[factory.index]),
                lines: self.box_of(factory),
                dashed: !factory.runs(),
            });
            Frame { label, boxes: boxes.collect() }
        });
        let arrows = self.arrows().into_iter().map(|(from, to, name, solid)| Arrow {
            from: id(from),
            to: id(to),
            label: name.map(ToOwned::to_owned),
            dashed: !solid,
        });
        Drawing {
            title: self.pipeline.to_string(),
            ovals: ovals.collect(),
            frames: frames.collect(),
            arrows: arrows.collect(),
        }
    }

    /// The ovals: inputs and sinks, with their text.
    fn ovals(&self) -> impl Iterator<Item = (NodeIndex, Vec<String>)> {
        self.graph.node_indices().filter_map(|node| match &self.graph[node] {
            PlanNode::Input { name, type_name } => {
                Some((node, vec![name.to_string(), short_type(type_name)]))
            }
            PlanNode::Sink { .. } => Some((node, vec!["output".to_owned()])),
            PlanNode::Factory(_) | PlanNode::Barrier { .. } => None,
        })
    }

    /// The arrows: source, target, text, and `true` for a solid line. An order that follows from stages has no arrow, because the
    /// frames show it.
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
        // A removed or added arrow must not change the order of the others.
        arrows.sort_by_key(|(from, to, ..)| (*to, *from));
        arrows
    }
}

impl PlanDiagram<'_> {
    /// The diagram for [Mermaid](https://mermaid.js.org): in a Markdown block ```` ```mermaid ````.
    pub fn mermaid(&self) -> String {
        self.plan.drawing().mermaid()
    }

    /// The diagram for [Graphviz](https://graphviz.org): `dot -Tsvg`.
    pub fn dot(&self) -> String {
        self.plan.drawing().dot()
    }
}

impl fmt::Display for PlanDiagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mermaid())
    }
}
