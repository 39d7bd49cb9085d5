//! Reads runs from a history.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params};
use serde::de::DeserializeOwned;

use super::parts::Parts;
use super::{
    BatchRecord, FactoryRecord, FactoryStatus, FileRecord, Observation, RunRecord, StrategyRun, SubplanRecord,
};
use crate::Interval;

const RUN: &str = "id, run_id, pipeline, started_ns, version, workers, strategy, makespan_ns, predicted, peak_bytes, \
                   succeeded, cpu_ns, error";
const FACTORY: &str = "factory, code, status, wall_ns, f.cpu_ns, rows_in, bytes_in, rows_out, bytes_out, f.peak_bytes, \
                       predicted_low, predicted_median, predicted_high, in_query_of, waited_ns, queries_ns, attempts, f.error";

pub(super) fn runs(
    connection: &mut Connection,
    pipeline: &str,
    last: usize,
) -> rusqlite::Result<Vec<RunRecord>> {
    // One transaction gives a consistent view.
    let transaction = connection.transaction()?;
    let sql =
        format!("SELECT {RUN} FROM runs WHERE pipeline = ?1 ORDER BY started_ns DESC, id DESC LIMIT ?2");
    let mut statement = transaction.prepare(&sql)?;
    let last = i64::try_from(last).unwrap_or(i64::MAX);
    let mut runs = statement.query_map(params![pipeline, last], head)?.collect::<Result<Vec<_>, _>>()?;
    runs.reverse();
    let (mut measurements, mut parts) = (Measurements::of(&transaction)?, Parts::of(&transaction)?);
    let whole = |(id, mut run)| {
        measurements.read(id, &mut run)?;
        measurements.read_files(id, &mut run)?;
        parts.read(id, &mut run)?;
        Ok(run)
    };
    runs.into_iter().map(whole).collect()
}

/// The runs, without the columns that no prediction needs.
pub(super) fn measured(
    connection: &mut Connection,
    pipeline: &str,
    last: usize,
    files_of: usize,
) -> rusqlite::Result<Vec<RunRecord>> {
    let transaction = connection.transaction()?;
    // The recorded prediction is long, and not needed here.
    let columns = RUN.replace("predicted", "NULL AS predicted");
    let sql =
        format!("SELECT {columns} FROM runs WHERE pipeline = ?1 ORDER BY started_ns DESC, id DESC LIMIT ?2");
    let (mut heads, mut measurements) = (transaction.prepare(&sql)?, Measurements::of(&transaction)?);
    let last = i64::try_from(last).unwrap_or(i64::MAX);
    let (mut runs, mut records) = (Vec::new(), 0);
    for found in heads.query_map(params![pipeline, last], head)? {
        let (id, mut run) = found?;
        measurements.read(id, &mut run)?;
        if runs.len() < files_of {
            measurements.read_files(id, &mut run)?;
        }
        records += run.factories.len();
        if !runs.is_empty() && records > super::MEASURED {
            break;
        }
        runs.push(run);
    }
    runs.reverse();
    Ok(runs)
}

pub(super) fn run(connection: &mut Connection, run_id: &str) -> rusqlite::Result<Option<RunRecord>> {
    let transaction = connection.transaction()?;
    let found = transaction
        .query_row(&format!("SELECT {RUN} FROM runs WHERE run_id = ?1"), [run_id], head)
        .optional()?;
    let Some((id, mut run)) = found else { return Ok(None) };
    let mut measurements = Measurements::of(&transaction)?;
    measurements.read(id, &mut run)?;
    measurements.read_files(id, &mut run)?;
    Parts::of(&transaction)?.read(id, &mut run)?;
    Ok(Some(run))
}

pub(super) fn observations(
    connection: &mut Connection,
    pipeline: &str,
    factory: &str,
) -> rusqlite::Result<Vec<Observation>> {
    let sql = format!(
        "SELECT {FACTORY}, run, position, run_id, started_ns, workers FROM factories f JOIN runs ON runs.id = f.run
         WHERE factory = ?2 AND pipeline = ?1 ORDER BY started_ns, runs.id"
    );
    let observation = |row: &Row<'_>| {
        let (run, position) = (row.get("run")?, row.get("position")?);
        let files = files(&mut connection.prepare(FILES)?, run)?.remove(&position).unwrap_or_default();
        Ok(Observation {
            run_id: row.get("run_id")?,
            started: time(row.get("started_ns")?),
            workers: count(row.get("workers")?) as usize,
            record: FactoryRecord { files, ..factory_record(row)? },
        })
    };
    connection.prepare(&sql)?.query_map(params![pipeline, factory], observation)?.collect()
}

pub(super) fn strategies(connection: &mut Connection, pipeline: &str) -> rusqlite::Result<Vec<StrategyRun>> {
    let run = |row: &Row<'_>| {
        Ok(StrategyRun {
            run_id: row.get("run_id")?,
            started: time(row.get("started_ns")?),
            workers: count(row.get("workers")?) as usize,
            strategy: from_json(row, "strategy")?,
            makespan: duration(row.get("makespan_ns")?),
            succeeded: row.get("succeeded")?,
        })
    };
    let sql =
        "SELECT run_id, started_ns, workers, strategy, makespan_ns, succeeded FROM runs WHERE pipeline = ?1
               ORDER BY started_ns, id";
    connection.prepare(sql)?.query_map([pipeline], run)?.collect()
}

pub(super) fn pipelines(connection: &mut Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT DISTINCT pipeline FROM runs ORDER BY pipeline")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn head(row: &Row<'_>) -> rusqlite::Result<(i64, RunRecord)> {
    let predicted: Option<String> = row.get("predicted")?;
    let run = RunRecord {
        run_id: row.get("run_id")?,
        pipeline: row.get("pipeline")?,
        started: time(row.get("started_ns")?),
        version: row.get("version")?,
        workers: count(row.get("workers")?) as usize,
        strategy: from_json(row, "strategy")?,
        makespan: duration(row.get("makespan_ns")?),
        // A prediction in the format of another version counts as none.
        predicted: predicted.and_then(|text| serde_json::from_str(&text).ok()),
        peak_bytes: row.get::<_, Option<i64>>("peak_bytes")?.map(count),
        cpu: row.get::<_, Option<i64>>("cpu_ns")?.map(duration),
        succeeded: row.get("succeeded")?,
        error: row.get("error")?,
        factories: Vec::new(),
        subplans: Vec::new(),
        cores: None,
        links: Vec::new(),
        choices: Vec::new(),
        reads: Vec::new(),
        lookups: Vec::new(),
        batches: Vec::new(),
    };
    Ok((row.get("id")?, run))
}

/// The statements that read the measurements of a run.
struct Measurements<'connection> {
    factories: Statement<'connection>,
    subplans: Statement<'connection>,
    batches: Statement<'connection>,
    files: Statement<'connection>,
}

impl<'connection> Measurements<'connection> {
    fn of(connection: &'connection Connection) -> rusqlite::Result<Self> {
        let factories = format!("SELECT {FACTORY} FROM factories f WHERE run = ?1 ORDER BY position");
        let subplans =
            "SELECT fingerprint, consumers, wall_ns, rows, bytes, whole_of FROM subplans WHERE run = ?1
                        ORDER BY position";
        let batches = "SELECT factories, wall_ns FROM batches WHERE run = ?1 ORDER BY position";
        Ok(Self {
            factories: connection.prepare(&factories)?,
            subplans: connection.prepare(subplans)?,
            batches: connection.prepare(batches)?,
            files: connection.prepare(FILES)?,
        })
    }

    /// Adds the factories of a run, its subplans, and its batches of queries.
    fn read(&mut self, id: i64, run: &mut RunRecord) -> rusqlite::Result<()> {
        let subplan = |row: &Row<'_>| {
            Ok(SubplanRecord {
                fingerprint: row.get("fingerprint")?,
                consumers: from_json(row, "consumers")?,
                wall: duration(row.get("wall_ns")?),
                rows: row.get::<_, Option<i64>>("rows")?.map(count),
                bytes: row.get::<_, Option<i64>>("bytes")?.map(count),
                whole_of: from_json_or_nothing(row, "whole_of")?,
            })
        };
        let batch = |row: &Row<'_>| {
            Ok(BatchRecord { factories: from_json(row, "factories")?, wall: duration(row.get("wall_ns")?) })
        };
        run.factories = self.factories.query_map([id], factory_record)?.collect::<Result<_, _>>()?;
        run.subplans = self.subplans.query_map([id], subplan)?.collect::<Result<_, _>>()?;
        run.batches = self.batches.query_map([id], batch)?.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Adds the files that the factories of a run have read.
    fn read_files(&mut self, id: i64, run: &mut RunRecord) -> rusqlite::Result<()> {
        for (position, files) in files(&mut self.files, id)? {
            if let Some(record) = usize::try_from(position).ok().and_then(|at| run.factories.get_mut(at)) {
                record.files = files;
            }
        }
        Ok(())
    }
}

const FILES: &str = "SELECT factory, path, bytes FROM files WHERE run = ?1 ORDER BY factory, position";

/// The files that the factories of a run have read, by the position of the factory.
fn files(statement: &mut Statement<'_>, run: i64) -> rusqlite::Result<BTreeMap<i64, Vec<FileRecord>>> {
    let file = |row: &Row<'_>| {
        let path = PathBuf::from(row.get::<_, String>("path")?);
        Ok((row.get("factory")?, FileRecord { path, bytes: count(row.get("bytes")?) }))
    };
    let mut files: BTreeMap<i64, Vec<FileRecord>> = BTreeMap::new();
    for found in statement.query_map([run], file)? {
        let (factory, file) = found?;
        files.entry(factory).or_default().push(file);
    }
    Ok(files)
}

fn factory_record(row: &Row<'_>) -> rusqlite::Result<FactoryRecord> {
    // There are many of these rows, and a look-up by name takes as long as reading a column. The positions follow the order of
    // `FACTORY`.
    let number = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(count));
    let bound = |column: usize| row.get::<_, Option<f64>>(column);
    let bounds = (bound(10)?, bound(11)?, bound(12)?);
    let predicted = match bounds {
        (Some(low), Some(median), Some(high)) => Some(Interval { low, median, high }),
        _ => None,
    };
    Ok(FactoryRecord {
        factory: row.get(0)?,
        code: row.get(1)?,
        status: FactoryStatus::named(row.get_ref(2)?.as_str()?),
        attempts: row.get(16)?,
        error: row.get(17)?,
        wall: duration(row.get(3)?),
        cpu: number(4)?.map(Duration::from_nanos),
        rows_in: number(5)?,
        bytes_in: number(6)?,
        rows_out: number(7)?,
        bytes_out: number(8)?,
        peak_bytes: number(9)?,
        predicted,
        in_query_of: row.get(13)?,
        waited: duration(row.get(14)?),
        queries: duration(row.get(15)?),
        files: Vec::new(),
    })
}

/// Converts a count from an integer of SQLite. No negative value is ever written.
pub(super) fn count(value: i64) -> u64 {
    value.unsigned_abs()
}

pub(super) fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(count(nanos))
}

pub(super) fn time(nanos: i64) -> SystemTime {
    let distance = duration(nanos);
    let time = match nanos < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(distance),
        false => SystemTime::UNIX_EPOCH.checked_add(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let index = row.as_ref().column_index(column)?;
    let unreadable = |error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error));
    serde_json::from_str(&text).map_err(unreadable)
}

/// Reads a column that was added in a later format.
fn from_json_or_nothing<T: DeserializeOwned + Default>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(T::default()),
        _ => from_json(row, column),
    }
}
