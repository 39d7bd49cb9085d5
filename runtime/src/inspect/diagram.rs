//! A pipeline as a picture.

use std::fmt::{self, Write};

use super::short_type;
use crate::plan::{Delivery, Plan, Source};

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
                let label = mermaid_text(&[&input.name, &labelled(&short_type(input.type_name), input.id)]);
                writeln!(text, "    input{index}([{label}])")?;
            }
            for (index, stage) in plan.stages.iter().enumerate() {
                writeln!(text, "    subgraph stage{index}[{}]", mermaid_text(&[&stage_label(plan, index)]))?;
                for (node, factory) in plan.factories_of(index) {
                    let output = labelled(&short_type((factory.output)()), factory.id);
                    let label = mermaid_text(&[&factory.name, &format!("→ {output}")]);
                    writeln!(text, "        factory{node}[{label}]")?;
                }
                let _ = stage;
                writeln!(text, "    end")?;
            }
            for (from, to, delivery) in edges(plan) {
                let arrow = if delivery.optional { "-.->" } else { "-->" };
                writeln!(text, "    {from} {arrow}|{}| factory{to}", mermaid_text(&[delivery.name]))?;
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
                let label = quoted(&[&input.name, &labelled(&short_type(input.type_name), input.id)]);
                writeln!(text, "    input{index} [shape=oval, label={label}];")?;
            }
            for index in 0..plan.stages.len() {
                writeln!(text, "    subgraph cluster{index} {{")?;
                writeln!(text, "        label={};", quoted(&[&stage_label(plan, index)]))?;
                for (node, factory) in plan.factories_of(index) {
                    let output = labelled(&short_type((factory.output)()), factory.id);
                    writeln!(
                        text,
                        "        factory{node} [label={}];",
                        quoted(&[&factory.name, &format!("→ {output}")])
                    )?;
                }
                writeln!(text, "    }}")?;
            }
            for (from, to, delivery) in edges(plan) {
                let style = if delivery.optional { ", style=dashed" } else { "" };
                writeln!(text, "    {from} -> factory{to} [label={}{style}];", quoted(&[delivery.name]))?;
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

/// Every delivery: the name of the node that it comes from, the factory that takes it, and how. Not those of the run.
fn edges(plan: &Plan) -> impl Iterator<Item = (String, usize, &Delivery)> {
    plan.factories.iter().enumerate().flat_map(|(to, factory)| {
        factory.deliveries.iter().zip(factory.sources.iter()).filter_map(move |(delivery, source)| {
            match source {
                Source::Input(index) => Some((format!("input{index}"), to, delivery)),
                Source::Factory(index) => Some((format!("factory{index}"), to, delivery)),
                Source::Context => None,
            }
        })
    })
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
fn mermaid_text(lines: &[&str]) -> String {
    let escape = |line: &&str| {
        line.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('#', "&#35;")
    };
    format!("\"{}\"", lines.iter().map(escape).collect::<Vec<_>>().join("<br/>"))
}

/// Lines of text in quotes for DOT.
fn quoted(lines: &[&str]) -> String {
    let escape = |line: &&str| line.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", lines.iter().map(escape).collect::<Vec<_>>().join("\\n"))
}
