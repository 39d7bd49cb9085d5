//! Runs the compiler on a source, and tells its errors.

use serde::Deserialize;
use setl_tests::package::Package;

pub(crate) struct Compiler {
    package: Package,
}

/// An error of the compiler.
#[derive(Debug)]
pub(crate) struct Diagnostic {
    /// Where it is in the source; 0 if it is nowhere.
    pub(crate) line: usize,
    pub(crate) rendered: String,
    code: Option<String>,
    message: String,
}

/// What cargo says of each message, as far as it counts here.
#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
    level: String,
    code: Option<Code>,
    spans: Vec<Span>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

const SOURCE: &str = "src/lib.rs";

impl Compiler {
    pub(crate) fn new() -> Self {
        Self { package: Package::new("hostile_items") }
    }

    /// The errors of this source.
    pub(crate) fn check(&self, source: &str) -> Vec<Diagnostic> {
        self.package.write(SOURCE, source);
        errors(&self.package)
    }
}

/// The errors of a package.
pub(crate) fn errors(package: &Package) -> Vec<Diagnostic> {
    let said = package.check();
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()?.message);
    let errors = messages.filter(|message| message.level.starts_with("error"));
    // The last one only counts the others.
    let errors = errors.filter(|message| !message.message.starts_with("aborting due to"));
    errors.map(Diagnostic::of).collect()
}

impl Diagnostic {
    fn of(message: Message) -> Self {
        let primary = message.spans.iter().filter(|span| span.is_primary);
        let line = primary.chain(&message.spans).find_map(line_in_source).unwrap_or_default();
        Self {
            line,
            rendered: message.rendered.unwrap_or_default(),
            code: message.code.map(|code| code.code),
            message: message.message,
        }
    }

    /// Whether it says of this pipeline that something is missing in it.
    pub(crate) fn is_of(&self, pipeline: &str) -> bool {
        self.message.starts_with(&format!("nothing in pipeline `{pipeline}` delivers"))
            || self.message.starts_with(&format!("pipeline `{pipeline}` does not list the factory"))
    }

    /// Whether it is an error of setl, and not one that the compiler has of its own.
    pub(crate) fn is_of_setl(&self) -> bool {
        match self.code.as_deref() {
            // `compile_error!` has no code. Neither have some errors about syntax.
            None => !["expected ", "unexpected ", "cannot find ", "lifetime ", "unknown "]
                .iter()
                .any(|start| self.message.starts_with(start)),
            Some("E0119") => self.message.contains("HasExactlyOneProducerOf"),
            Some("E0080") => ["pipeline `", "factory `"].iter().any(|word| self.message.contains(word)),
            Some("E0277") => SAYINGS.iter().any(|saying| self.message.contains(saying)),
            Some(_) => false,
        }
    }
}

/// How the errors of the traits begin or go on.
const SAYINGS: &[&str] = &[
    "nothing in pipeline `",
    "does not list the factory `",
    "is not a factory: ",
    "cannot be delivered to a factory, ",
    "is delivered by value and is not `Clone`: ",
    "does not deliver `",
    "has no fingerprint: ",
    "cannot be kept on disk",
    "has no default to start from: ",
    "`when` decides whether the factory runs, ",
    "cannot be the error of a factory, ",
    "is not a `Result`, although it is named like one: ",
];

fn line_in_source(span: &Span) -> Option<usize> {
    if span.file_name == SOURCE {
        return Some(span.line_start);
    }
    line_in_source(&span.expansion.as_ref()?.span)
}
