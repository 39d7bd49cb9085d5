//! The writer of all diagrams: ovals, boxes in frames, and arrows between them, as Mermaid and as DOT.

use std::fmt::{self, Write};

/// A diagram. Nodes have ids that are valid in both languages.
#[derive(Debug, Default)]
pub(crate) struct Drawing {
    pub(crate) title: String,
    /// Inputs and outputs.
    pub(crate) ovals: Vec<Shape>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) arrows: Vec<Arrow>,
}

#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) id: String,
    pub(crate) lines: Vec<String>,
    pub(crate) dashed: bool,
}

/// A stage and its factories.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) label: String,
    pub(crate) boxes: Vec<Shape>,
}

#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) label: Option<String>,
    pub(crate) dashed: bool,
}

impl Drawing {
    /// Returns the diagram for [Mermaid](https://mermaid.js.org): in a Markdown block ```` ```mermaid ````.
    pub(crate) fn mermaid(&self) -> String {
        written(|text| self.write_mermaid(text))
    }

    /// Returns the diagram for [Graphviz](https://graphviz.org): `dot -Tsvg`.
    pub(crate) fn dot(&self) -> String {
        written(|text| self.write_dot(text))
    }

    fn write_mermaid(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "flowchart LR")?;
        for Shape { id, lines, .. } in &self.ovals {
            writeln!(text, "    {id}([{}])", mermaid_text(lines))?;
        }
        for (index, Frame { label, boxes }) in self.frames.iter().enumerate() {
            writeln!(text, "    subgraph stage{index}[{}]", mermaid_text(&[label]))?;
            for Shape { id, lines, dashed } in boxes {
                writeln!(text, "        {id}[{}]", mermaid_text(lines))?;
                if *dashed {
                    writeln!(text, "        style {id} stroke-dasharray: 4")?;
                }
            }
            writeln!(text, "    end")?;
        }
        for Arrow { from, to, label, dashed } in &self.arrows {
            let arrow = if *dashed { "-.->" } else { "-->" };
            let label =
                label.as_ref().map(|label| format!("|{}|", mermaid_text(&[label]))).unwrap_or_default();
            writeln!(text, "    {from} {arrow}{label} {to}")?;
        }
        Ok(())
    }

    fn write_dot(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "digraph {} {{", dot_text(&[&self.title]))?;
        writeln!(
            text,
            "    rankdir=LR; node [shape=box, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\"];"
        )?;
        for Shape { id, lines, .. } in &self.ovals {
            writeln!(text, "    {id} [shape=oval, label={}];", dot_text(lines))?;
        }
        for (index, Frame { label, boxes }) in self.frames.iter().enumerate() {
            writeln!(text, "    subgraph cluster{index} {{")?;
            writeln!(text, "        label={};", dot_text(&[label]))?;
            for Shape { id, lines, dashed } in boxes {
                let style = if *dashed { "style=dashed, " } else { "" };
                writeln!(text, "        {id} [{style}label={}];", dot_text(lines))?;
            }
            writeln!(text, "    }}")?;
        }
        for Arrow { from, to, label, dashed } in &self.arrows {
            let mut options = Vec::new();
            options.extend(label.as_ref().map(|label| format!("label={}", dot_text(&[label]))));
            options.extend(dashed.then(|| "style=dashed".to_owned()));
            let options =
                if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
            writeln!(text, "    {from} -> {to}{options};")?;
        }
        writeln!(text, "}}")
    }
}

fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text);
    text
}

/// Returns the label of a stage, with its options.
pub(crate) fn stage_label(name: &str, barrier: bool, sequential: bool, no_write: bool) -> String {
    let options = [(barrier, "barrier"), (sequential, "sequential"), (no_write, "no_write")];
    let set = options.iter().filter(|(set, _)| *set).map(|(_, name)| format!(" · {name}"));
    format!("{name}{}", set.collect::<String>())
}

/// Quotes lines of text for Mermaid, which reads HTML entities. Few other escapes are safe there.
fn mermaid_text(lines: &[impl AsRef<str>]) -> String {
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

/// Quotes lines of text for DOT.
fn dot_text(lines: &[impl AsRef<str>]) -> String {
    let escape = |line: &_| AsRef::<str>::as_ref(line).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", lines.iter().map(escape).collect::<Vec<_>>().join("\\n"))
}
