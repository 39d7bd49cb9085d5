//! The journal of a transaction: its tickets and its decision.
//!
//! Each line is a checksum and JSON: first the run, then a ticket for each write, then the decision. The checksum reveals
//! a line that was not completely written, so a crash at any moment leaves a readable journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::disk;
use super::error::WriteError;
use super::ticket::RecoveryTicket;
use crate::state;

/// The folder of the journals in a state directory.
const RUNS: &str = "runs";
const EXTENSION: &str = "journal";

/// The format version. A journal of a later version may hold entries that this version does not understand.
const VERSION: u32 = 2;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    Run {
        version: u32,
        run: String,
        pipeline: String,
    },
    RecoveryTicket(RecoveryTicket),
    /// All writes are decided to become visible.
    Decided {
        tickets: usize,
    },
    /// The ticket with this index, counted from 0, needs no more work.
    Settled {
        ticket: usize,
    },
}

/// A journal that this process has locked.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
}

/// The content of a journal.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) pipeline: String,
    /// The tickets, each with a flag that is set if it is settled.
    pub(super) tickets: Vec<(RecoveryTicket, bool)>,
    pub(super) decided: bool,
}

fn directory(state: &Path) -> PathBuf {
    state.join(RUNS)
}

/// `true` if a path has a name that only journals have, because an empty journal is removed.
pub(super) fn is_journal(path: &Path) -> bool {
    let in_runs = path.parent().and_then(Path::file_name).is_some_and(|parent| parent == RUNS);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).map(Uuid::parse_str);
    in_runs && matches!(stem, Some(Ok(_))) && path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// Returns the paths of all journals, of dead and of living runs.
pub(super) fn paths(state_directory: &Path) -> Result<Vec<PathBuf>, WriteError> {
    let directory = directory(state_directory);
    let secure = state::check_below(state_directory, [RUNS]);
    secure.map_err(|source| WriteError::State { path: directory.clone(), source })?;
    let read = || WriteError::io("read", &directory);
    let Some(entries) = disk::if_there(fs::read_dir(&directory)).map_err(read())? else {
        return Ok(Vec::new());
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(read())?.path();
        if is_journal(&path) {
            paths.push(path);
        }
    }
    // The names begin with the time of the run.
    paths.sort();
    Ok(paths)
}

impl Journal {
    /// Creates an empty journal.
    pub(super) fn create(state_directory: &Path, run: Uuid, pipeline: &str) -> crate::Result<Self> {
        let directory = directory(state_directory);
        let of_state = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError::State { path, source }
        };
        state::create(state_directory, [RUNS]).map_err(of_state(&directory))?;
        let directory = disk::resolved(&directory);
        // A crash of the machine must not remove the directories of a journal.
        for made in directory.ancestors().skip(1).take(2) {
            disk::sync_directory(made).map_err(of_state(made))?;
        }
        let path = directory.join(format!("{run}.{EXTENSION}"));
        let failed = || of_state(&path);
        let mut this = loop {
            state::open(OpenOptions::new().append(true).create(true), &path).map_err(failed())?;
            // Before it is locked, another process may take it for the journal of a dead run and remove it.
            match Self::open(&path)? {
                Some(this) => break this,
                None => std::thread::yield_now(),
            }
        };
        if this.file.metadata().map_err(failed())?.len() != 0 {
            return Err(failed()(io::ErrorKind::AlreadyExists.into()).into());
        }
        let begin = Entry::Run { version: VERSION, run: run.to_string(), pipeline: pipeline.to_owned() };
        if let Err(error) = this.write(&[begin]) {
            // The journal is still empty.
            let _ = disk::remove_file(&path);
            return Err(error);
        }
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the journal of a dead run. Returns `None` if its run is alive, or the journal is gone.
    ///
    /// # Errors
    /// When it cannot be opened, or another user may have written it.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, WriteError> {
        let failed = || WriteError::io("open", path);
        let opened = state::open_no_follow(OpenOptions::new().read(true).append(true), path);
        let Some(file) = disk::if_there(opened).map_err(failed())? else {
            return Ok(None);
        };
        if let Some(reason) = state::objection_to(&file).map_err(failed())? {
            let reason = format!("{reason}; nothing is done of what it says");
            return Err(WriteError::Journal { path: path.to_owned(), reason });
        }
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            // Without locks, a dead run cannot be distinguished from a living one.
            Err(fs::TryLockError::Error(source)) => return Err(WriteError::io("lock", path)(source)),
            Ok(()) => {}
        }
        Ok((!cfg!(unix) || disk::is_at(&file, path)).then(|| Self { file, path: path.to_owned() }))
    }

    /// Records the tickets of all writes.
    pub(super) fn record(&mut self, tickets: Vec<RecoveryTicket>) -> crate::Result<()> {
        let entries: Vec<_> = tickets.into_iter().map(Entry::RecoveryTicket).collect();
        self.write(&entries)?;
        let directory = disk::directory_of(&self.path);
        Ok(disk::sync_directory(directory).map_err(WriteError::io("flush", directory))?)
    }

    /// Records the decision that all writes become visible. The decision is durable when this returns.
    pub(super) fn decide(&mut self, tickets: usize) -> crate::Result<()> {
        self.write(&[Entry::Decided { tickets }])
    }

    /// Records that these tickets need no more work.
    pub(super) fn settle(&mut self, tickets: Vec<usize>) -> crate::Result<()> {
        // The preceding line may be torn.
        self.file.write_all(b"\n").map_err(WriteError::io("write", &self.path))?;
        let entries: Vec<_> = tickets.into_iter().map(|ticket| Entry::Settled { ticket }).collect();
        self.write(&entries)
    }

    pub(super) fn remove(&self) -> crate::Result<()> {
        disk::remove_file(&self.path).map_err(WriteError::io("remove", &self.path))?;
        let directory = disk::directory_of(&self.path);
        Ok(disk::sync_directory(directory).map_err(WriteError::io("flush", directory))?)
    }

    fn write(&mut self, entries: &[Entry]) -> crate::Result<()> {
        let mut text = String::new();
        for entry in entries {
            let json = serde_json::to_string(entry)?;
            text += &format!("{} {json}\n", checksum(&json));
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        Ok(written.map_err(WriteError::io("write", &self.path))?)
    }

    /// Makes all later writes to the journal fail for lack of space.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn fill(&mut self) {
        self.file = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    }

    pub(super) fn read(&mut self) -> Result<Content, WriteError> {
        let mut bytes = Vec::new();
        let read = self.file.rewind().and_then(|()| self.file.read_to_end(&mut bytes));
        read.map_err(WriteError::io("read", &self.path))?;
        parse(&bytes)
            .map_err(|reason| WriteError::Journal { path: self.path.clone(), reason: reason.to_owned() })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A child of this process may still hold the file, which would keep it locked.
        let _ = self.file.unlock();
    }
}

fn checksum(json: &str) -> String {
    blake3::hash(json.as_bytes()).to_hex()[..16].to_owned()
}

const DAMAGED: &str = "is damaged, but says that its run was decided: look at what it names, put that in order by hand, then remove it";
const UNKNOWN: &str = "is of another version: use that to finish what it names";

/// Parses a journal. Entries after the first damaged line count only if they prove that the journal held more before.
fn parse(bytes: &[u8]) -> Result<Content, &'static str> {
    let mut content = Content::default();
    let mut whole = true;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match entry(line) {
            None => whole = false,
            Some(Entry::Run { version, .. }) if version != VERSION => return Err(UNKNOWN),
            Some(Entry::Run { pipeline, .. }) => content.pipeline = pipeline,
            Some(Entry::RecoveryTicket(ticket)) => content.tickets.push((ticket, false)),
            Some(Entry::Decided { tickets }) if whole && tickets == content.tickets.len() => {
                content.decided = true;
            }
            Some(Entry::Decided { .. }) => return Err(DAMAGED),
            Some(Entry::Settled { ticket }) => {
                content.tickets.get_mut(ticket).ok_or(DAMAGED)?.1 = true;
            }
        }
    }
    Ok(content)
}

fn entry(line: &[u8]) -> Option<Entry> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, json) = line.split_once(' ')?;
    (sum == checksum(json)).then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;
