//! How does a capability attach to runs from outside of setl?
//!
//! `cargo run --example event_log` writes the events of a run to `target/event_log/events.jsonl`, one JSON object in a line, and adds
//! a section to the report of the run.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;
use setl::prelude::*;
use setl::run::{Report, Section};
use setl::{Event, Observer, RunInfo};

/// Writes the events of runs as JSON lines.
struct EventLog {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: BufWriter<File>,
    lines: usize,
    /// The first error. A log that cannot be written does not end the run.
    error: Option<std::io::Error>,
}

impl EventLog {
    fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let state = State { file: BufWriter::new(File::create(&path)?), lines: 0, error: None };
        Ok(Self { path, state: Mutex::new(state) })
    }
}

impl Observer for EventLog {
    fn observe(&self, run: &RunInfo<'_>, event: &Event<'_>) {
        let mut line = json!({ "run": run.run_id, "pipeline": run.pipeline, "event": event.name() });
        if let Some(factory) = event.factory() {
            line["factory"] = factory.into();
        }
        match *event {
            Event::Finished { total, rows, .. } => {
                line["seconds"] = total.as_secs_f64().into();
                line["rows"] = rows.into();
            }
            Event::Retrying { attempt, error, .. } => {
                line["attempt"] = attempt.into();
                line["error"] = error.into();
            }
            Event::RunEnded { status, .. } => line["status"] = status.to_string().into(),
            _ => {}
        }
        let Ok(mut state) = self.state.lock() else { return };
        let is_last = matches!(event, Event::RunEnded { .. });
        let written =
            writeln!(state.file, "{line}").and_then(|()| if is_last { state.file.flush() } else { Ok(()) });
        state.lines += 1;
        state.error = state.error.take().or(written.err());
    }

    fn section(&self, _: &RunInfo<'_>, _: &Report) -> Option<Arc<dyn Section>> {
        let state = self.state.lock().ok()?;
        let error = state.error.as_ref().map(ToString::to_string);
        Some(Arc::new(Logged { path: self.path.clone(), lines: state.lines, error }))
    }
}

/// The section of the report.
#[derive(Debug)]
struct Logged {
    path: PathBuf,
    lines: usize,
    error: Option<String>,
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            None => write!(f, "events: {} in {}", self.lines, self.path.display()),
            Some(error) => write!(f, "events: {} is incomplete: {error}", self.path.display()),
        }
    }
}

#[factory]
fn orders() -> Vec<u32> {
    vec![20, 22]
}

#[factory(retry(times = 1, backoff = "1ms..1ms"))]
async fn total(orders: Vec<u32>, context: Context) -> Result<u32> {
    match context.attempt() {
        1 => Err(setl::transient(setl::Error::msg("the rates are not there yet"))),
        _ => Ok(orders.iter().sum()),
    }
}

#[pipeline(extract(orders), transform(total))]
struct Daily;

#[tokio::main]
async fn main() -> Result<()> {
    let log = EventLog::create("target/event_log/events.jsonl")?;
    println!("{}", Daily.run().observer(log).await?.report());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_event_is_a_line_and_the_report_says_how_many() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("events.jsonl");
        let run = Daily.run().observer(EventLog::create(&path)?).await?;
        let text = fs::read_to_string(&path)?;
        let lines: Vec<serde_json::Value> =
            text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap_or_default()).collect();
        let expected = ["run_started", "started", "finished", "started", "retrying", "finished", "run_ended"];
        assert_eq!(events, expected);
        assert!(lines.iter().all(|line| line["run"] == run.run_id().to_string()));
        assert_eq!((&lines[5]["factory"], &lines[6]["status"]), (&json!("total"), &json!("succeeded")));
        let section = run.report().section::<Logged>().map(|section| (section.lines, section.error.clone()));
        // The last event comes after the report.
        assert_eq!(section, Some((expected.len() - 1, None)));
        assert!(run.report().to_string().ends_with(&format!("events: 6 in {}", path.display())));
        Ok(())
    }
}
