//! `setl history` and `setl recommend`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use setl::Result;
use setl::cache::CacheEntry;
use setl::optimize::{
    CachedOutput, ChoiceRecord, Drift, FactoryRecord, FactoryStatus, History, Predictor, RunRecord, recommend,
};
use setl_learn::model::NOT_KNOWN;

use crate::show::{self, duration, pretty, table, time};

/// Opens the history. Does not create one.
fn open(state: &Path) -> Result<History> {
    let path = History::path_in(state);
    if !path.exists() {
        return Err(setl::Error::msg(format!(
            "there is no history {}: a run records it that is told to, by `.learn(Learning::new())`; if it is elsewhere, \
             name its directory with --state-dir or SETL_STATE_DIR",
            path.display()
        )));
    }
    let history = History::open(&path)?;
    if let Some(aside) = history.set_aside() {
        return Err(setl::Error::msg(format!(
            "the history {} is damaged and was renamed to {}, which can be deleted: the next run begins a new one",
            path.display(),
            aside.display()
        )));
    }
    Ok(history)
}

/// The predictor of a pipeline.
///
/// # Errors
/// When there are no runs of it.
fn predictor(history: &History, pipeline: &str) -> Result<Predictor> {
    let predictor = Predictor::new(history, pipeline)?;
    if !predictor.runs().is_empty() {
        return Ok(predictor);
    }
    let pipelines = history.pipelines()?;
    let near = |name: &&String| strsim::jaro_winkler(&name.to_lowercase(), &pipeline.to_lowercase());
    let nearest = pipelines.iter().max_by(|a, b| near(a).total_cmp(&near(b))).filter(|name| near(name) > 0.8);
    let meant = nearest.map_or(".".to_owned(), |name| format!(", did you mean `{name}`?"));
    let names: Vec<_> = pipelines.iter().map(|name| format!("`{name}`")).collect();
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(setl::Error::msg(format!(
        "the history {} has no run of pipeline `{pipeline}`{meant} It has runs of {there}",
        history.path().display()
    )))
}

/// `setl history`.
pub(crate) fn all(state: &Path, json: bool) -> Result<String> {
    let history = open(state)?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    let mut drifts = String::new();
    for pipeline in history.pipelines()? {
        let predictor = Predictor::new(&history, &pipeline)?;
        let runs = history.strategies(&pipeline)?.len();
        let Some(last) = predictor.runs().last() else { continue };
        let drifted: Vec<_> = predictor.drifts().iter().map(Drift::to_string).collect();
        values.push(json!({
            "pipeline": pipeline, "runs": runs, "last": show::run(last), "drifts": drifted,
        }));
        let [started, status, took, predicted, held] = cells(last);
        rows.push(vec![pipeline.clone(), runs.to_string(), took, predicted, held, started, status]);
        drifts.extend(drifted.iter().map(|drift| format!("\n{pipeline}: {drift}")));
    }
    if json {
        return pretty(&values.into());
    }
    let header = ["pipeline", "runs", "took", "predicted", "held", "last run", "status"];
    Ok(table(&header, 1..3, rows) + &drifts)
}

/// The cells of a run: start, status, time, prediction, and whether the prediction held.
fn cells(run: &RunRecord) -> [String; 5] {
    let predicted = run.predicted.as_ref().map(|predicted| predicted.makespan.if_known(predicted.basis));
    // An output that was taken from an earlier run was predicted to be computed.
    let is_comparable = !run.factories.iter().any(FactoryRecord::is_from_earlier);
    let held = predicted
        .flatten()
        .filter(|_| is_comparable)
        .map(|predicted| predicted.contains(run.makespan.as_secs_f64()));
    [
        time(run.started),
        if run.succeeded { "ok" } else { "failed" }.to_owned(),
        duration(run.makespan),
        match predicted {
            None => String::new(),
            Some(None) => NOT_KNOWN.to_owned(),
            Some(Some(predicted)) => predicted.seconds().to_string(),
        },
        held.map(|held| if held { "yes" } else { "no" }).unwrap_or_default().to_owned(),
    ]
}

/// `setl history <pipeline>`.
pub(crate) fn one(state: &Path, pipeline: &str, last: usize, json: bool) -> Result<String> {
    let history = open(state)?;
    let predictor = predictor(&history, pipeline)?;
    let all = predictor.runs();
    let runs = &all[all.len().saturating_sub(last)..];
    let drifts: Vec<_> = predictor.drifts().iter().map(Drift::to_string).collect();
    if json {
        let runs: Vec<_> = runs.iter().map(show::run).collect();
        return pretty(&json!({ "pipeline": pipeline, "runs": runs, "drifts": drifts }));
    }
    let row = |run: &RunRecord| {
        let [started, status, took, predicted, held] = cells(run);
        vec![run.run_id.clone(), started, status, took, predicted, held]
    };
    let header = ["run", "started", "status", "took", "predicted", "held"];
    let mut text = format!("pipeline {pipeline}, the last {} of {} runs\n", runs.len(), all.len());
    text += &table(&header, 3..4, runs.iter().map(row).collect());
    text += "\n";
    text += &factories(all);
    text += &choices(all.iter().flat_map(|run| &run.choices));
    text += &format!("\n{}\n", predictor.coverage());
    text.extend(drifts.iter().map(|drift| format!("{drift}\n")));
    Ok(text)
}

/// The factories of the last run, with the medians of all runs.
fn factories(runs: &[RunRecord]) -> String {
    let Some(last) = runs.last() else { return String::new() };
    let row = |record: &setl::optimize::FactoryRecord| {
        let of_all = runs.iter().flat_map(|run| &run.factories);
        let own = of_all
            .filter(|other| other.factory == record.factory && other.status == FactoryStatus::Succeeded);
        let mut times: Vec<_> = own.map(|other| other.wall).collect();
        times.sort();
        let median = times.get(times.len() / 2).copied().map(duration).unwrap_or_default();
        let rows = record.rows_out.map(|rows| rows.to_string()).unwrap_or_default();
        vec![
            record.factory.clone(),
            match record.attempts {
                None | Some(0 | 1) => record.status.to_string(),
                Some(several) => format!("{} ({several} attempts)", record.status),
            },
            duration(record.wall),
            median,
            times.len().to_string(),
            rows,
        ]
    };
    let header = ["factory", "last run", "took", "median", "of runs", "rows"];
    table(&header, 2..6, last.factories.iter().map(row).collect())
}

/// The errors of the run and of its factories.
fn errors(run: &RunRecord) -> String {
    let mut text = String::new();
    if let Some(error) = &run.error {
        text += &format!("\nthe run: {error}\n");
    }
    for record in &run.factories {
        let Some(error) = &record.error else { continue };
        text += &format!("\n{}: {error}\n", record.factory);
    }
    text
}

/// The latest alternative of each choice, and how often it was taken.
fn choices<'run>(all: impl Iterator<Item = &'run ChoiceRecord>) -> String {
    let mut by: BTreeMap<_, Vec<&ChoiceRecord>> = BTreeMap::new();
    for choice in all {
        by.entry((&choice.factories, &choice.choice, &choice.fingerprint)).or_default().push(choice);
    }
    let row = |records: Vec<&ChoiceRecord>| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        records.iter().for_each(|record| *counts.entry(&record.alternative).or_default() += 1);
        let counts: Vec<_> = counts.iter().map(|(way, count)| format!("{way} {count}")).collect();
        let last = records.last()?;
        Some(vec![
            last.choice.clone(),
            last.factories.join(", "),
            last.fingerprint.chars().take(8).collect(),
            last.alternative.clone(),
            counts.join(", "),
            last.because.clone(),
        ])
    };
    let rows: Vec<_> = by.into_values().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let header = ["choice", "of", "plan", "last", "so far", "why"];
    format!("\n{}", table(&header, 0..0, rows))
}

/// `setl history <pipeline> --run <id>`.
pub(crate) fn one_run(state: &Path, pipeline: &str, id: &str, json: bool) -> Result<String> {
    let history = open(state)?;
    predictor(&history, pipeline)?;
    let all = history.strategies(pipeline)?;
    let found: Vec<_> = all.iter().map(|run| &*run.run_id).filter(|run| run.starts_with(id)).collect();
    let exact = found.iter().find(|run| **run == id).copied();
    let run_id = match (&found[..], exact) {
        (_, Some(run)) => run,
        ([run], None) => run,
        (several, None) => {
            let path = history.path().display();
            return Err(setl::Error::msg(match several {
                [] => format!(
                    "the history {path} has no run `{id}` of pipeline `{pipeline}`: `setl history {pipeline}` lists them"
                ),
                _ => format!(
                    "{} runs of pipeline `{pipeline}` begin with `{id}`: {}",
                    several.len(),
                    several.join(", ")
                ),
            }));
        }
    };
    let gone = || setl::Error::msg(format!("run `{run_id}` was removed from the history meanwhile"));
    let run = history.run(run_id)?.ok_or_else(gone)?;
    if json {
        return pretty(&show::run(&run));
    }
    let [started, status, took, predicted, _] = cells(&run);
    let mut text = format!("pipeline {pipeline}, run {run_id}\nstarted {started}, {status}, took {took}");
    if !predicted.is_empty() {
        text += &format!(", predicted {predicted}");
    }
    text += &format!(", {} at once, setl {}\n", run.workers, run.version);
    text += &factories(std::slice::from_ref(&run));
    text += &errors(&run);
    text += &choices(run.choices.iter());
    if !run.reads.is_empty() {
        let row = |read: &setl::optimize::ReadRecord| {
            let from = read.from.as_ref().map(|from| format!("of {from}")).unwrap_or_default();
            vec![
                read.path.clone().unwrap_or(from),
                read.format.clone(),
                setl_learn::model::bytes(read.bytes as f64),
                format!("{} of {}", read.columns_read, read.columns),
                read.factories.join(", "),
            ]
        };
        let header = ["read", "format", "size", "columns", "by"];
        text += &format!("\n{}", table(&header, 2..4, run.reads.iter().map(row).collect()));
    }
    Ok(text)
}

/// `setl recommend <pipeline>`.
pub(crate) fn recommended(state: &Path, pipeline: &str, json: bool) -> Result<String> {
    let history = open(state)?;
    let predictor = predictor(&history, pipeline)?;
    let cached = setl::cache::list(state)?.into_iter().map(|entry| {
        let CacheEntry { pipeline, factory, bytes, .. } = entry;
        CachedOutput { pipeline, factory, bytes }
    });
    let recommended = recommend(predictor.runs(), &cached.collect::<Vec<_>>());
    if json {
        return pretty(&serde_json::to_value(recommended)?);
    }
    let runs = predictor.runs().len();
    if recommended.is_empty() {
        let runs = if runs == 1 { "1 run bears".to_owned() } else { format!("{runs} runs bear") };
        return Ok(format!("nothing that {runs} out for pipeline {pipeline}"));
    }
    let lines: Vec<_> = recommended.iter().map(ToString::to_string).collect();
    Ok(lines.join("\n"))
}
