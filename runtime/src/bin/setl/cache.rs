//! `setl cache`.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use setl::Result;
use setl::cache::{self, CacheEntry, CachePolicy};
use setl_learn::model::bytes;

use crate::show::{duration, pretty, table, time};

pub(crate) fn list(state: &Path, json: bool) -> Result<String> {
    let entries = cache::list(state)?;
    let state = state.display();
    show(&entries, json, &format!("nothing is kept in {state}"), |count, size| {
        format!("{count} of {size} in {state}")
    })
}

pub(crate) fn prune(
    state: &Path,
    max_bytes: Option<u64>,
    max_age: Option<Duration>,
    json: bool,
) -> Result<String> {
    let mut policy = CachePolicy::declared();
    if let Some(bytes) = max_bytes {
        policy = policy.max_bytes(bytes);
    }
    if let Some(age) = max_age {
        policy = policy.max_age(age);
    }
    removed(&cache::prune(state, &policy)?, state, json)
}

pub(crate) fn clear(state: &Path, json: bool) -> Result<String> {
    removed(&cache::clear(state)?, state, json)
}

fn removed(entries: &[CacheEntry], state: &Path, json: bool) -> Result<String> {
    let state = state.display();
    show(entries, json, &format!("nothing was removed from {state}"), |count, size| {
        format!("removed {count} of {size} from {state}")
    })
}

fn show(
    entries: &[CacheEntry],
    json: bool,
    nothing: &str,
    sum: impl FnOnce(String, String) -> String,
) -> Result<String> {
    if json {
        let entries = entries.iter().map(|entry| {
            json!({
                "pipeline": entry.pipeline,
                "factory": entry.factory,
                "bytes": entry.bytes,
                "age_seconds": entry.age.as_secs(),
                "took_seconds": Some(entry.took.as_secs_f64()).filter(|took| *took > 0.0),
                "last_used": time(entry.last_used),
                "hits": entry.hits,
                "setl": entry.setl,
                "path": entry.path,
            })
        });
        return pretty(&entries.collect());
    }
    if entries.is_empty() {
        return Ok(nothing.to_owned());
    }
    let row = |entry: &CacheEntry| {
        // Seconds do not matter here.
        let age = Duration::from_secs(entry.age.as_secs() / 60 * 60);
        vec![
            entry.pipeline.clone(),
            entry.factory.clone(),
            bytes(entry.bytes as f64),
            if entry.took.is_zero() { "unknown".to_owned() } else { duration(entry.took) },
            entry.hits.to_string(),
            humantime::format_duration(age).to_string(),
            time(entry.last_used),
        ]
    };
    let header = ["pipeline", "factory", "size", "took", "taken", "age", "last used"];
    let count = if entries.len() == 1 { "1 output".to_owned() } else { format!("{} outputs", entries.len()) };
    let size = bytes(entries.iter().map(|entry| entry.bytes).sum::<u64>() as f64);
    Ok(table(&header, 2..5, entries.iter().map(row).collect()) + &sum(count, size))
}
