//! The parts of a run record other than its factories: links, choices, reads, and cache lookups.

use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params};

use super::read::{count, duration, from_json, time};
use super::write::{json, nanos, since_1970, whole};
use super::{ChoiceRecord, ChoiceRun, LookupRecord, ReadRecord, RunRecord};

pub(super) fn write(connection: &Connection, id: i64, run: &RunRecord) -> rusqlite::Result<()> {
    if run.cores.is_some() || !run.links.is_empty() {
        connection.execute(
            "INSERT INTO plans (run, cores, links) VALUES (?1, ?2, ?3)",
            params![id, run.cores.map(|cores| whole(cores as u64)), json(&run.links)?],
        )?;
    }
    let mut insert = connection.prepare(
        "INSERT INTO choices (run, position, choice, fingerprint, factories, alternative, tried, wall_ns, size, because)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for (position, choice) in (0_i64..).zip(&run.choices) {
        insert.execute(params![
            id,
            position,
            choice.choice,
            choice.fingerprint,
            json(&choice.factories)?,
            choice.alternative,
            choice.tried,
            nanos(choice.wall),
            choice.size.map(whole),
            choice.because,
        ])?;
    }
    let mut insert = connection.prepare(
        "INSERT INTO reads (run, position, factories, path, format, bytes, modified_ns, columns_read, columns, source)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for (position, read) in (0_i64..).zip(&run.reads) {
        insert.execute(params![
            id,
            position,
            json(&read.factories)?,
            read.path,
            read.format,
            whole(read.bytes),
            read.modified.map(since_1970),
            whole(read.columns_read as u64),
            whole(read.columns as u64),
            read.from,
        ])?;
    }
    let mut insert = connection
        .prepare("INSERT INTO lookups (run, position, factory, hit, because) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (position, lookup) in (0_i64..).zip(&run.lookups) {
        insert.execute(params![id, position, lookup.factory, lookup.hit, lookup.because])?;
    }
    Ok(())
}

/// The statements that read the parts of a run, prepared once for many runs.
pub(super) struct Parts<'connection> {
    plans: Statement<'connection>,
    choices: Statement<'connection>,
    reads: Statement<'connection>,
    lookups: Statement<'connection>,
}

impl<'connection> Parts<'connection> {
    pub(super) fn of(connection: &'connection Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            plans: connection.prepare("SELECT cores, links FROM plans WHERE run = ?1")?,
            choices: connection.prepare("SELECT * FROM choices WHERE run = ?1 ORDER BY position")?,
            reads: connection.prepare("SELECT * FROM reads WHERE run = ?1 ORDER BY position")?,
            lookups: connection.prepare("SELECT * FROM lookups WHERE run = ?1 ORDER BY position")?,
        })
    }

    pub(super) fn read(&mut self, id: i64, run: &mut RunRecord) -> rusqlite::Result<()> {
        let plan = |row: &Row<'_>| {
            let cores: Option<i64> = row.get("cores")?;
            Ok((cores.map(|cores| count(cores) as usize), from_json(row, "links")?))
        };
        (run.cores, run.links) = self.plans.query_row([id], plan).optional()?.unwrap_or_default();
        run.choices = self.choices.query_map([id], choice)?.collect::<Result<_, _>>()?;
        run.reads = self.reads.query_map([id], read)?.collect::<Result<_, _>>()?;
        run.lookups = self.lookups.query_map([id], lookup)?.collect::<Result<_, _>>()?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ReadRecord> {
    Ok(ReadRecord {
        factories: from_json(row, "factories")?,
        path: row.get("path")?,
        format: row.get("format")?,
        bytes: count(row.get("bytes")?),
        modified: row.get::<_, Option<i64>>("modified_ns")?.map(time),
        columns_read: count(row.get("columns_read")?) as usize,
        columns: count(row.get("columns")?) as usize,
        from: row.get("source")?,
    })
}

fn lookup(row: &Row<'_>) -> rusqlite::Result<LookupRecord> {
    Ok(LookupRecord { factory: row.get("factory")?, hit: row.get("hit")?, because: row.get("because")? })
}

/// The choices of the last runs of a pipeline, the oldest first.
pub(super) fn choices(
    connection: &mut Connection,
    pipeline: &str,
    last: usize,
) -> rusqlite::Result<Vec<ChoiceRun>> {
    let sql = "SELECT run_id, started_ns, c.* FROM choices c
         JOIN (SELECT * FROM runs WHERE pipeline = ?1 ORDER BY started_ns DESC, id DESC LIMIT ?2) r ON r.id = c.run
         ORDER BY started_ns, c.run, position";
    let chosen = |row: &Row<'_>| {
        Ok(ChoiceRun {
            run_id: row.get("run_id")?,
            started: time(row.get("started_ns")?),
            record: choice(row)?,
        })
    };
    connection.prepare(sql)?.query_map(params![pipeline, whole(last as u64)], chosen)?.collect()
}

fn choice(row: &Row<'_>) -> rusqlite::Result<ChoiceRecord> {
    Ok(ChoiceRecord {
        choice: row.get("choice")?,
        fingerprint: row.get("fingerprint")?,
        factories: from_json(row, "factories")?,
        alternative: row.get("alternative")?,
        tried: row.get("tried")?,
        wall: duration(row.get("wall_ns")?),
        size: row.get::<_, Option<i64>>("size")?.map(count),
        because: row.get("because")?,
    })
}
