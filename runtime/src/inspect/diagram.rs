//! The diagram of a pipeline.

use std::fmt;

use super::drawing::{Arrow, Drawing, Frame, Shape, stage_label};
use super::{conduct, short_type};
use crate::plan::{Delivery, FallbackNode, Input, Node, Plan, Source};

/// The diagram of a pipeline. It is displayed as Mermaid, which Markdown viewers draw.
#[derive(Clone, Copy, Debug)]
pub struct Diagram<'plan> {
    plan: &'plan Plan,
}

impl<'plan> Diagram<'plan> {
    /// Makes the diagram of this plan.
    pub fn of(plan: &'plan Plan) -> Self {
        Self { plan }
    }

    /// Returns the diagram for [Mermaid](https://mermaid.js.org): in a Markdown block ```` ```mermaid ````.
    pub fn mermaid(&self) -> String {
        self.drawing().mermaid()
    }

    /// Returns the diagram for [Graphviz](https://graphviz.org): `dot -Tsvg`.
    pub fn dot(&self) -> String {
        self.drawing().dot()
    }

    fn drawing(&self) -> Drawing {
        let plan = self.plan;
        let shape = |id: String, lines: Vec<String>| Shape { id, lines, dashed: false };
        let ovals = plan.inputs.iter().enumerate();
        let ovals = ovals.map(|(index, input)| shape(format!("input{index}"), lines_of_input(input)));
        let mut arrows = Vec::new();
        let mut frames = Vec::new();
        for (index, stage) in plan.stages.iter().enumerate() {
            let label = stage_label(&stage.name, stage.barrier, stage.sequential, stage.no_write);
            let mut boxes = Vec::new();
            for (node, factory) in plan.factories_of(index) {
                boxes.push(shape(format!("factory{node}"), lines(factory)));
                if let Some(fallback) = &factory.fallback {
                    let lines = lines_of_fallback(fallback);
                    boxes.push(Shape { id: format!("fallback{node}"), lines, dashed: true });
                    arrows.push(Arrow {
                        from: format!("factory{node}"),
                        to: format!("fallback{node}"),
                        label: Some("on failure".to_owned()),
                        dashed: true,
                    });
                }
            }
            frames.push(Frame { label, boxes });
        }
        arrows.extend(edges(plan).map(|(from, to, delivery)| Arrow {
            from,
            to,
            label: Some(delivery.name.to_owned()),
            dashed: delivery.optional,
        }));
        Drawing { title: plan.pipeline.to_string(), ovals: ovals.collect(), frames, arrows }
    }
}

impl fmt::Display for Diagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mermaid())
    }
}

/// Lists all deliveries: the id of the source node, the id of the consumer node, and the delivery. Deliveries of the run itself
/// are omitted.
fn edges(plan: &Plan) -> impl Iterator<Item = (String, String, &Delivery)> {
    plan.factories.iter().enumerate().flat_map(|(node, factory)| {
        let own = edges_to(format!("factory{node}"), factory.deliveries, &factory.sources);
        let of_fallback = factory.fallback.iter().flat_map(move |fallback| {
            edges_to(format!("fallback{node}"), fallback.deliveries, &fallback.sources)
        });
        own.chain(of_fallback)
    })
}

fn edges_to<'plan>(
    to: String,
    deliveries: &'plan [Delivery],
    sources: &'plan [Source],
) -> impl Iterator<Item = (String, String, &'plan Delivery)> {
    deliveries.iter().zip(sources).filter_map(move |(delivery, source)| match source {
        Source::Input(index) => Some((format!("input{index}"), to.clone(), delivery)),
        Source::Factory(index) => Some((format!("factory{index}"), to.clone(), delivery)),
        Source::Context => None,
    })
}

fn lines_of_input(input: &Input) -> Vec<String> {
    vec![input.name.to_string(), labelled(&short_type(input.type_name), input.id)]
}

/// Returns the lines in the box of a factory.
fn lines(factory: &Node) -> Vec<String> {
    let output = labelled(&short_type((factory.output)()), factory.id);
    let mut lines = vec![factory.name.to_string(), format!("→ {output}")];
    lines.extend(conduct(factory.policy));
    lines
}

fn lines_of_fallback(fallback: &FallbackNode) -> Vec<String> {
    let mut lines = vec![fallback.name.to_owned()];
    lines.extend(conduct(fallback.policy));
    lines
}

fn labelled(type_name: &str, id: Option<&str>) -> String {
    match id {
        Some(id) => format!("{type_name} [{id}]"),
        None => type_name.to_owned(),
    }
}
