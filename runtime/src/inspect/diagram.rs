//! A pipeline as a picture.

use std::fmt::{self, Write};

use super::{conduct, short_type};
use crate::plan::{Delivery, FallbackNode, Input, Node, Plan, Source};

/// A pipeline as a picture. Prints as Mermaid, which Markdown viewers draw.
#[derive(Clone, Copy, Debug)]
pub struct Diagram<'plan> {
    plan: &'plan Plan,
}

impl<'plan> Diagram<'plan> {
    /// The picture of this plan.
    pub fn of(plan: &'plan Plan) -> Self {
        Self { plan }
    }

    /// For [Mermaid](https://mermaid.js.org): in a Markdown block ```` ```mermaid ````.
    pub fn mermaid(&self) -> String {
        let plan = self.plan;
        let mut text = String::from("flowchart LR\n");
        // Writing to a string cannot fail.
        let _ = (|| -> fmt::Result {
            for (index, input) in plan.inputs.iter().enumerate() {
                let label = mermaid_text(&lines_of_input(input));
                writeln!(text, "    input{index}([{label}])")?;
            }
            for (index, stage) in plan.stages.iter().enumerate() {
                writeln!(text, "    subgraph stage{index}[{}]", mermaid_text(&[stage_label(plan, index)]))?;
                for (node, factory) in plan.factories_of(index) {
                    writeln!(text, "        factory{node}[{}]", mermaid_text(&lines(factory)))?;
                    if let Some(fallback) = &factory.fallback {
                        let label = mermaid_text(&lines_of_fallback(fallback));
                        writeln!(text, "        fallback{node}[{label}]")?;
                        writeln!(text, "        factory{node} -.->|on failure| fallback{node}")?;
                    }
                }
                let _ = stage;
                writeln!(text, "    end")?;
            }
            for (from, to, delivery) in edges(plan) {
                let arrow = if delivery.optional { "-.->" } else { "-->" };
                writeln!(text, "    {from} {arrow}|{}| {to}", mermaid_text(&[delivery.name]))?;
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
            writeln!(text, "digraph {} {{", quoted(&[&plan.pipeline]))?;
            writeln!(
                text,
                "    rankdir=LR; node [shape=box, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\"];"
            )?;
            for (index, input) in plan.inputs.iter().enumerate() {
                let label = quoted(&lines_of_input(input));
                writeln!(text, "    input{index} [shape=oval, label={label}];")?;
            }
            for index in 0..plan.stages.len() {
                writeln!(text, "    subgraph cluster{index} {{")?;
                writeln!(text, "        label={};", quoted(&[stage_label(plan, index)]))?;
                for (node, factory) in plan.factories_of(index) {
                    writeln!(text, "        factory{node} [label={}];", quoted(&lines(factory)))?;
                    if let Some(fallback) = &factory.fallback {
                        let label = quoted(&lines_of_fallback(fallback));
                        writeln!(text, "        fallback{node} [style=dashed, label={label}];")?;
                        writeln!(
                            text,
                            "        factory{node} -> fallback{node} [label=\"on failure\", style=dashed];"
                        )?;
                    }
                }
                writeln!(text, "    }}")?;
            }
            for (from, to, delivery) in edges(plan) {
                let style = if delivery.optional { ", style=dashed" } else { "" };
                writeln!(text, "    {from} -> {to} [label={}{style}];", quoted(&[delivery.name]))?;
            }
            writeln!(text, "}}")
        })();
        text
    }
}

impl fmt::Display for Diagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mermaid())
    }
}

/// Every delivery: the name of the node that it comes from, of the one that takes it, and how. Not those of the run.
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

fn lines_of_input(input: &Input) -> [String; 2] {
    [input.name.to_string(), labelled(&short_type(input.type_name), input.id)]
}

/// What stands in the box of a factory.
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

fn stage_label(plan: &Plan, index: usize) -> String {
    let stage = &plan.stages[index];
    let options =
        [(stage.barrier, "barrier"), (stage.sequential, "sequential"), (stage.no_write, "no_write")];
    let set = options.iter().filter(|(set, _)| *set).map(|(_, name)| format!(" · {name}"));
    format!("{}{}", stage.name, set.collect::<String>())
}

fn labelled(type_name: &str, id: Option<&str>) -> String {
    match id {
        Some(id) => format!("{type_name} [{id}]"),
        None => type_name.to_owned(),
    }
}

/// Lines of text in quotes. Mermaid reads HTML entities, and little else is safe in it.
pub(crate) fn mermaid_text(lines: &[impl AsRef<str>]) -> String {
    let escape = |line: &_| {
        AsRef::<str>::as_ref(line)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('#', "&#35;")
    };
    format!("\"{}\"", lines.iter().map(escape).collect::<Vec<_>>().join("<br/>"))
}

/// Lines of text in quotes for DOT.
pub(crate) fn quoted(lines: &[impl AsRef<str>]) -> String {
    let escape = |line: &_| AsRef::<str>::as_ref(line).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", lines.iter().map(escape).collect::<Vec<_>>().join("\\n"))
}
