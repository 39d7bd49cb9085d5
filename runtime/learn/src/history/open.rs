//! Opens a history: its format, and the handling of a damaged file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::error::{HistoryError, is_busy, is_damage};
use setl_commit::state;

/// The steps from an empty file to the current format. The `user_version` of a file is the number of steps that have been
/// applied. Steps are added at the end, and never changed.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        pipeline TEXT NOT NULL,
        started_ns INTEGER NOT NULL,    -- since 1970
        version TEXT NOT NULL,
        workers INTEGER NOT NULL,
        strategy TEXT NOT NULL,         -- JSON: choice to alternative
        makespan_ns INTEGER NOT NULL,
        predicted TEXT,                 -- JSON
        peak_bytes INTEGER,
        succeeded INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX runs_of_pipeline ON runs (pipeline, started_ns, id);
    CREATE TABLE factories (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        factory TEXT NOT NULL,
        code TEXT NOT NULL,
        status TEXT NOT NULL,
        wall_ns INTEGER NOT NULL,
        cpu_ns INTEGER,
        rows_in INTEGER,
        bytes_in INTEGER,
        rows_out INTEGER,
        bytes_out INTEGER,
        peak_bytes INTEGER,
        predicted_low REAL,             -- seconds
        predicted_median REAL,
        predicted_high REAL,
        in_query_of TEXT,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX factories_by_name ON factories (factory, run);
    CREATE TABLE subplans (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        consumers TEXT NOT NULL,        -- JSON
        wall_ns INTEGER NOT NULL,
        rows INTEGER,
        bytes INTEGER,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE subplans ADD COLUMN whole_of TEXT;      -- JSON
    CREATE TABLE plans (
        run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
        cores INTEGER,
        links TEXT NOT NULL             -- JSON: pairs of places; gates come after the factories
    ) STRICT;
    CREATE TABLE choices (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        choice TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        factories TEXT NOT NULL,        -- JSON
        alternative TEXT NOT NULL,
        tried INTEGER NOT NULL,
        wall_ns INTEGER NOT NULL,
        size INTEGER,
        because TEXT NOT NULL,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE reads (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        factories TEXT NOT NULL,        -- JSON
        path TEXT,
        format TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        modified_ns INTEGER,
        columns_read INTEGER NOT NULL,
        columns INTEGER NOT NULL,
        source TEXT,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE lookups (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        factory TEXT NOT NULL,
        hit INTEGER NOT NULL,
        because TEXT,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE runs ADD COLUMN cpu_ns INTEGER;
    ALTER TABLE factories ADD COLUMN waited_ns INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE factories ADD COLUMN queries_ns INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE files (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        factory INTEGER NOT NULL,       -- its position
        position INTEGER NOT NULL,
        path TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (run, factory, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE batches (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        factories TEXT NOT NULL,        -- JSON
        wall_ns INTEGER NOT NULL,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE runs ADD COLUMN error TEXT;
    ALTER TABLE factories ADD COLUMN attempts INTEGER;
    ALTER TABLE factories ADD COLUMN error TEXT;
",
];

/// The application id that distinguishes histories from databases of other programs: `setl` in ASCII.
const APPLICATION: i32 = 0x7365_746c;

/// The time to wait for another process.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a history, or creates a new one in its place if it is damaged. Returns the new path of the damaged file as well.
pub(super) fn open(path: &Path) -> Result<(Connection, Option<PathBuf>), HistoryError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        state::create(directory, []).map_err(HistoryError::io("create", directory))?;
    }
    // SQLite gives the same mode to the files that it creates beside this one.
    let made = state::open(File::options().read(true).write(true).create(true).truncate(false), path);
    made.map_err(HistoryError::io("open", path))?;
    for suffix in ["-wal", "-shm", "-journal"] {
        let beside = with_suffix(path, suffix);
        match state::open_to_read(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(HistoryError::io("open", &beside)(error));
            }
            _ => {}
        }
    }
    match try_open(path) {
        Ok(connection) => Ok((connection?, None)),
        Err(error) if is_damage(&error) => {
            let aside = set_aside(path)?;
            let again = try_open(path).map_err(|error| HistoryError::sqlite("open", path, error))??;
            Ok((again, aside))
        }
        Err(error) => Err(HistoryError::sqlite("open", path, error)),
    }
}

/// The outer result is that of SQLite, the inner one is that of this crate.
fn try_open(path: &Path) -> rusqlite::Result<Result<Connection, HistoryError>> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // One transaction gives a consistent view: another process may be creating the file.
    if let Some(refused) = refused(&*connection.transaction()?, path)? {
        return Ok(Err(refused));
    }
    // Readers do not wait for writers. If the file system does not support this, the journal mode stays as it was.
    patiently(|| connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)))?;
    // After a power failure the last runs may be missing, but the file is consistent.
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    if let Some(refused) = refused(&transaction, path)? {
        return Ok(Err(refused));
    }
    let done = format_of(&transaction)? as usize;
    if done < MIGRATIONS.len() {
        for migration in &MIGRATIONS[done..] {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
        transaction.commit()?;
    } else {
        drop(transaction);
    }
    Ok(Ok(connection))
}

fn format_of(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// The reason to leave a file that is a database unchanged.
fn refused(connection: &Connection, path: &Path) -> rusqlite::Result<Option<HistoryError>> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (path, found, known) = (path.to_owned(), format_of(connection)?, MIGRATIONS.len() as u32);
    Ok(match application {
        APPLICATION if found > known => Some(HistoryError::Newer { path, found, known }),
        APPLICATION => None,
        // Not yet created, or created by another program.
        0 if tables == 0 && found == 0 => None,
        _ => Some(HistoryError::Foreign { path }),
    })
}

/// Retries: SQLite does not make processes wait in every case when they create the same file at the same time.
fn patiently<T>(work: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        match work() {
            Err(error) if is_busy(&error) && Instant::now() < until => sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

/// Renames a damaged history, so that a new one can be created. Returns the new path, or `None` if another process has already
/// renamed it and the present file is intact.
pub(super) fn set_aside(path: &Path) -> Result<Option<PathBuf>, HistoryError> {
    let lock_path = with_suffix(path, ".lock");
    let opened = state::open(File::options().write(true).create(true).truncate(false), &lock_path);
    let lock = opened.map_err(HistoryError::io("open", &lock_path))?;
    lock.lock().map_err(HistoryError::io("lock", &lock_path))?;
    if is_whole(path) {
        return Ok(None);
    }
    let aside = with_suffix(path, &format!(".damaged-{}", uuid::Uuid::now_v7()));
    // Files that belong to the damaged history must not become part of the new one.
    for suffix in ["-wal", "-shm", ""] {
        let from = with_suffix(path, suffix);
        match fs::rename(&from, with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(HistoryError::io("rename", &from)(error));
            }
            _ => {}
        }
    }
    Ok(Some(aside))
}

fn is_whole(path: &Path) -> bool {
    let check = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    };
    match check() {
        Ok(found) => found == "ok",
        // A file that cannot be checked now is not known to be damaged.
        Err(error) => !is_damage(&error),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
