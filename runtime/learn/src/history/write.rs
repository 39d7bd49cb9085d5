//! Writes runs to a history.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ToSql, TransactionBehavior, params};

use super::{FactoryRecord, Retention, RunRecord, parts};

pub(super) fn record(connection: &mut Connection, run: &RunRecord) -> rusqlite::Result<()> {
    // Writes of two processes follow one another, and none is refused after it has read.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM runs WHERE run_id = ?1", [&run.run_id])?;
    transaction.execute(
        "INSERT INTO runs (run_id, pipeline, started_ns, version, workers, strategy, makespan_ns, predicted, peak_bytes, succeeded, cpu_ns, error)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            run.run_id,
            run.pipeline,
            since_1970(run.started),
            run.version,
            whole(run.workers as u64),
            json(&run.strategy)?,
            nanos(run.makespan),
            run.predicted.as_ref().map(json).transpose()?,
            run.peak_bytes.map(whole),
            run.succeeded,
            run.cpu.map(nanos),
            run.error,
        ],
    )?;
    let id = transaction.last_insert_rowid();
    let mut insert = transaction.prepare(
        "INSERT INTO factories VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
    )?;
    for (position, factory) in run.factories.iter().enumerate() {
        let FactoryRecord { predicted, .. } = factory;
        let values: [&dyn ToSql; 20] = [
            &id,
            &whole(position as u64),
            &factory.factory,
            &factory.code,
            &factory.status.name(),
            &nanos(factory.wall),
            &factory.cpu.map(nanos),
            &factory.rows_in.map(whole),
            &factory.bytes_in.map(whole),
            &factory.rows_out.map(whole),
            &factory.bytes_out.map(whole),
            &factory.peak_bytes.map(whole),
            &predicted.map(|predicted| predicted.low),
            &predicted.map(|predicted| predicted.median),
            &predicted.map(|predicted| predicted.high),
            &factory.in_query_of,
            &nanos(factory.waited),
            &nanos(factory.queries),
            &factory.attempts,
            &factory.error,
        ];
        insert.execute(&values[..])?;
    }
    drop(insert);
    let mut insert = transaction.prepare("INSERT INTO subplans VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (position, subplan) in run.subplans.iter().enumerate() {
        insert.execute(params![
            id,
            whole(position as u64),
            subplan.fingerprint,
            json(&subplan.consumers)?,
            nanos(subplan.wall),
            subplan.rows.map(whole),
            subplan.bytes.map(whole),
            json(&subplan.whole_of)?,
        ])?;
    }
    drop(insert);
    parts::write(&transaction, id, run)?;
    let mut insert = transaction.prepare("INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (factory, record) in run.factories.iter().enumerate() {
        for (position, file) in record.files.iter().enumerate() {
            // A path that is not valid text could not be looked up again.
            let Some(path) = file.path.to_str() else { continue };
            insert.execute(params![
                id,
                whole(factory as u64),
                whole(position as u64),
                path,
                whole(file.bytes)
            ])?;
        }
    }
    drop(insert);
    let mut insert = transaction.prepare("INSERT INTO batches VALUES (?1, ?2, ?3, ?4)")?;
    for (position, batch) in run.batches.iter().enumerate() {
        insert.execute(params![id, whole(position as u64), json(&batch.factories)?, nanos(batch.wall)])?;
    }
    drop(insert);
    transaction.commit()
}

pub(super) fn prune(
    connection: &mut Connection,
    keep: Retention,
    now: SystemTime,
) -> rusqlite::Result<usize> {
    let oldest = now.checked_sub(keep.age).map_or(i64::MIN, since_1970);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let removed = transaction.execute(
        "DELETE FROM runs WHERE started_ns < ?1 OR id IN (
             SELECT id FROM (
                 SELECT id, row_number() OVER (PARTITION BY pipeline ORDER BY started_ns DESC, id DESC) AS place FROM runs
             ) WHERE place > ?2
         )",
        params![oldest, whole(keep.runs as u64)],
    )?;
    transaction.commit()?;
    Ok(removed)
}

/// Converts to SQLite's signed integers. A larger value becomes the largest possible one.
pub(super) fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

pub(super) fn since_1970(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
