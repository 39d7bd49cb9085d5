//! `setl recover`.

use std::path::{Path, PathBuf};

use serde_json::json;
use setl::Result;
use setl::commit;

use crate::show::pretty;

/// Recovers the commits of dead runs. Fails if one of them cannot be recovered, after all others are.
pub(crate) fn all(state: &Path, json: bool) -> Result<String> {
    let recovered = commit::recover(state)?;
    let commit::Recovered { finished, undone, waiting, lost, kept, .. } = &recovered;
    if json {
        let kept = kept.iter().map(|kept| {
            let journal = kept.journal.display().to_string();
            json!({"journal": journal, "pipeline": kept.pipeline, "targets": kept.targets, "reason": kept.reason})
        });
        let kept: Vec<_> = kept.collect();
        return pretty(
            &json!({"finished": finished, "undone": undone, "waiting": waiting, "lost": lost, "kept": kept}),
        );
    }
    let says = [
        (finished, "holds the new data now"),
        (undone, "keeps its old data"),
        (waiting, "is settled by the next run that uses it"),
        (lost, "is as it was found: the new data for it is gone"),
    ];
    let lines = says
        .into_iter()
        .flat_map(|(targets, what)| targets.iter().map(move |target| format!("{target} {what}")));
    let mut lines: Vec<_> = lines.collect();
    if lines.is_empty() && kept.is_empty() {
        lines.push(format!("nothing is to be recovered in {}", state.display()));
    }
    let text = lines.join("\n");
    if kept.is_empty() {
        return Ok(text);
    }
    if !text.is_empty() {
        println!("{text}");
    }
    let kept: Vec<_> = kept.iter().map(ToString::to_string).collect();
    Err(setl::Error::msg(kept.join("\n")))
}

/// Gives up the recovery of a commit.
pub(crate) fn set_aside(journal: &Path, json: bool) -> Result<String> {
    let asides = commit::set_aside(journal)?;
    let journal = journal.display();
    if json {
        let asides: Vec<_> = asides.iter().map(|path| path.display().to_string()).collect();
        return pretty(&json!({"set_aside": asides}));
    }
    let lines = |path: &PathBuf| format!("what was to be committed lies in {}", path.display());
    let first = format!("{journal} is given up; its targets are as they were found");
    Ok(std::iter::once(first).chain(asides.iter().map(lines)).collect::<Vec<_>>().join("\n"))
}
