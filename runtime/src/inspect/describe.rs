//! Describes a pipeline as text, in the style of SETL's `describe`.

use std::fmt::Write;

use crate::plan::{Delivery, DeliveryMode, Plan, Source};
use crate::policy::{Policy, Retry};

/// Describes a pipeline as text: its inputs, its stages, and the source of each delivery.
pub fn describe(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(plan, &mut text);
    text
}

fn write(plan: &Plan, text: &mut String) -> std::fmt::Result {
    writeln!(text, "pipeline {}{}", plan.pipeline, in_parentheses(&conduct(&plan.defaults)))?;
    if !plan.inputs.is_empty() {
        writeln!(text, "\ninputs")?;
        for input in plan.inputs.iter() {
            writeln!(text, "  {}: {}{}", input.name, short_type(input.type_name), with_id(input.id))?;
        }
    }
    for (index, stage) in plan.stages.iter().enumerate() {
        let options =
            [(stage.barrier, "barrier"), (stage.sequential, "sequential"), (stage.no_write, "no_write")];
        let options: Vec<_> =
            options.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()).collect();
        let options = in_parentheses(&options);
        writeln!(text, "\nstage {}{options}", stage.name)?;
        for (_, factory) in plan.factories_of(index) {
            let output = short_type((factory.output)());
            let conduct = in_parentheses(&conduct(factory.policy));
            writeln!(text, "  {} -> {output}{}{conduct}", factory.name, with_id(factory.id))?;
            write_deliveries(plan, "    ", factory.deliveries, &factory.sources, text)?;
            if let Some(fallback) = &factory.fallback {
                let conduct = in_parentheses(&self::conduct(fallback.policy));
                writeln!(text, "    on failure {}{conduct}", fallback.name)?;
                write_deliveries(plan, "      ", fallback.deliveries, &fallback.sources, text)?;
            }
        }
    }
    Ok(())
}

fn write_deliveries(
    plan: &Plan,
    indent: &str,
    deliveries: &[Delivery],
    sources: &[Source],
    text: &mut String,
) -> std::fmt::Result {
    for (delivery, source) in deliveries.iter().zip(sources) {
        let origin = origin(plan, delivery, *source);
        writeln!(text, "{indent}{}: {}{origin}", delivery.name, delivery.type_name)?;
    }
    Ok(())
}

/// Describes each option of a policy in a few words.
pub(crate) fn conduct(policy: &Policy) -> Vec<String> {
    let mut said = Vec::new();
    match policy.retry {
        Some(Retry { times: 0, .. }) => said.push("no retries".to_owned()),
        Some(Retry { times: 1, .. }) => said.push("1 retry".to_owned()),
        Some(Retry { times, .. }) => said.push(format!("{times} retries")),
        None => {}
    }
    if let Some(timeout) = policy.timeout {
        said.push(format!("timeout {}", humantime::format_duration(timeout)));
    }
    if let Some(timeout) = policy.total_timeout {
        said.push(format!("total timeout {}", humantime::format_duration(timeout)));
    }
    if let Some(resource) = policy.resource {
        said.push(format!("resource {}", resource.name));
    }
    if let Some(memory) = policy.memory {
        said.push(format!("memory {}", crate::base::size::show(memory)));
    }
    let flags = [
        (policy.is_skippable(), "may be skipped"),
        (policy.checkpoint, "checkpoint"),
        (policy.cache.is_some(), "cache"),
        (policy.volatile, "volatile"),
    ];
    said.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned()));
    said
}

fn in_parentheses(said: &[String]) -> String {
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

fn origin(plan: &Plan, delivery: &Delivery, source: Source) -> String {
    let mut text = with_id(delivery.id);
    match source {
        Source::Context => text.push_str(" from the run"),
        Source::Input(_) => text.push_str(&format!(" from input {}", plan.source_name(source))),
        Source::Factory(_) => text.push_str(&format!(" from {}", plan.source_name(source))),
    }
    match delivery.mode {
        DeliveryMode::Owned => {}
        DeliveryMode::Shared => text.push_str(", shared"),
        DeliveryMode::Loaded => text.push_str(", loaded"),
    }
    if delivery.optional {
        text.push_str(", optional");
    }
    text
}

fn with_id(id: Option<&str>) -> String {
    id.map(|id| format!(" [{id}]")).unwrap_or_default()
}

/// Returns the name of a type without the modules of its parts: `Dataset<Flight>`.
pub(crate) fn short_type(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut rest = full;
    while let Some(end) = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        let (path, tail) = rest.split_at(end);
        short.push_str(path.rsplit("::").next().unwrap_or(path));
        let separator = tail.chars().next().map_or(0, char::len_utf8);
        short.push_str(&tail[..separator]);
        rest = &tail[separator..];
    }
    short.push_str(rest.rsplit("::").next().unwrap_or(rest));
    short
}

#[cfg(test)]
mod tests {
    use super::short_type;

    #[test]
    fn types_lose_their_modules() {
        let check = |full, short: &str| assert_eq!(short_type(full), short);
        check("setl::dataset::Dataset<app::rows::Flight>", "Dataset<Flight>");
        check("(a::B, [c::D; 3], &e::F)", "(B, [D; 3], &F)");
        check("alloc::vec::Vec<core::option::Option<i64>>", "Vec<Option<i64>>");
        check("()", "()");
    }
}
