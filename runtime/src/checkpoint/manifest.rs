//! The manifest beside a payload: it describes the origin of the payload and proves that it is complete.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::key::{FORMAT, SETL};
use super::reads::Contents;
use super::{Components, Fingerprint, Fingerprinter, Key, Read};
use setl_commit::state;

/// The validity of a stored output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// It holds the output that the factory would deliver.
    Valid,
    /// It is not used, and the factory runs.
    Stale {
        /// The reason, as in `file flights.csv has changed`.
        because: String,
    },
}

impl Validity {
    pub(crate) fn stale(because: impl Into<String>) -> Self {
        Self::Stale { because: because.into() }
    }

    /// Returns `true` for [`Validity::Valid`].
    pub(crate) fn is_valid(&self) -> bool {
        *self == Self::Valid
    }
}

/// The description of a stored output. Its file is readable text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u64,
    setl: String,
    /// The pipeline of the factory.
    pub(crate) pipeline: String,
    /// The factory whose output it is.
    pub(crate) factory: String,
    /// The run that made it.
    pub(crate) run: String,
    /// The time when it was made, in seconds since 1970.
    pub(crate) made: u64,
    /// The time that the factory took, in nanoseconds. Zero if that is unknown, because the output was lazy.
    pub(crate) took: u64,
    /// The maximum age in seconds, if the factory sets one.
    pub(crate) max_age: Option<u64>,
    /// The key of the output.
    pub(crate) key: Key,
    /// The components of the key.
    pub(crate) components: Components,
    /// The files that the factory and its upstream factories have read.
    pub(crate) reads: BTreeSet<Read>,
    /// The number of rows, if it is known.
    pub(crate) rows: Option<usize>,
    /// Is set if the fallback delivered the output, which changes the keys of downstream factories.
    pub(crate) by_fallback: bool,
    /// Is set if the factories of its run write.
    pub(crate) writes: bool,
    /// Is set if the factory has written something that is rolled back if the run fails.
    pub(crate) wrote: bool,
    /// The staged writes of the factory that were kept.
    pub(crate) kept_writes: Vec<serde_json::Value>,
    /// The upstream factories that have written something. If a run fails, their writes are rolled back, unless they were
    /// kept with their own checkpoints.
    pub(crate) wrote_above: BTreeSet<String>,
    /// The factories, among this one and its upstream, that had an effect outside the run, whether or not a failed run
    /// undoes it: see [`Ended::acted`](super::Ended::acted).
    pub(crate) acted: BTreeSet<String>,
    /// The factories, among this one and its upstream, that skipped their writes, so that their outside effects are
    /// unknown.
    pub(crate) unwritten: BTreeSet<String>,
    /// The fingerprint of the payload's files.
    pub(super) payload: Fingerprint,
    /// The factories whose writes are committed: see [`Manifest::are_committed`].
    #[serde(skip)]
    pub(super) committed: BTreeSet<String>,
}

/// The description of an output to be stored, without its payload.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// See [`Manifest::took`].
    pub(crate) took: Duration,
    /// See [`Manifest::max_age`].
    pub(crate) max_age: Option<Duration>,
    /// See [`Manifest::components`].
    pub(crate) components: Components,
    /// See [`Manifest::reads`].
    pub(crate) reads: BTreeSet<Read>,
    /// See [`Manifest::rows`].
    pub(crate) rows: Option<usize>,
    /// See [`Manifest::by_fallback`].
    pub(crate) by_fallback: bool,
    /// See [`Manifest::writes`].
    pub(crate) writes: bool,
    /// See [`Manifest::wrote`].
    pub(crate) wrote: bool,
    /// See [`Manifest::kept_writes`].
    pub(crate) kept_writes: Vec<serde_json::Value>,
    /// See [`Manifest::wrote_above`].
    pub(crate) wrote_above: BTreeSet<String>,
    /// See [`Manifest::acted`].
    pub(crate) acted: BTreeSet<String>,
    /// See [`Manifest::unwritten`].
    pub(crate) unwritten: BTreeSet<String>,
}

impl Manifest {
    pub(crate) fn new(pipeline: &str, factory: &str, run: &str, made: Made, payload: Fingerprint) -> Self {
        let Made { took, max_age, components, reads, rows, by_fallback, writes, wrote, .. } = made;
        let Made { kept_writes, wrote_above, acted, unwritten, .. } = made;
        Self {
            format: FORMAT,
            setl: SETL.to_owned(),
            pipeline: pipeline.to_owned(),
            factory: factory.to_owned(),
            run: run.to_owned(),
            made: seconds(SystemTime::now()),
            took: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            max_age: max_age.map(|max_age| max_age.as_secs()),
            key: components.key(),
            components,
            reads,
            rows,
            by_fallback,
            writes,
            wrote,
            kept_writes,
            wrote_above,
            acted,
            unwritten,
            payload,
            committed: BTreeSet::new(),
        }
    }

    /// Returns the fingerprint that counts in the keys of downstream factories.
    pub(super) fn delivers(&self) -> Fingerprint {
        if self.by_fallback { self.key.by_fallback() } else { self.key.fingerprint() }
    }

    /// Checks that the described output is the one that the factory would deliver. It does not check the payload.
    pub(crate) fn check(&self, now: &Components, writes: bool, contents: &Contents) -> Validity {
        if self.setl != SETL {
            return Validity::stale(format!("made by setl {}", self.setl));
        }
        if let Some(because) = now.difference(&self.components) {
            return Validity::stale(because);
        }
        if self.key != now.key() {
            return Validity::stale("its manifest is damaged");
        }
        if writes && !self.writes {
            return Validity::stale("made by a run that did not write");
        }
        if self.wrote && self.kept_writes.is_empty() {
            return Validity::stale("what it wrote went with the run that made it");
        }
        match self.reads.iter().find_map(|read| read.objection(contents)) {
            Some(because) => Validity::Stale { because },
            None => Validity::Valid,
        }
    }

    /// Returns the factories whose writes are rolled back with the run, or are kept with this output.
    pub(super) fn writers(&self) -> BTreeSet<String> {
        let itself = self.wrote.then(|| self.factory.clone());
        self.wrote_above.iter().cloned().chain(itself).collect()
    }

    /// Marks the writes of these factories as committed, although their run did not finish.
    pub(super) fn are_committed(&mut self, committed: BTreeSet<String>) {
        if committed.contains(&self.factory) {
            self.wrote = false;
            self.kept_writes.clear();
        }
        self.wrote_above.retain(|factory| !committed.contains(factory));
        self.committed = committed;
    }

    /// Writes it durably, after a line with the fingerprint of its text.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let mut file = state::create_file(path)?;
        write!(file, "{:#}\n{text}\n", Fingerprint::of_bytes(text.as_bytes()))?;
        file.sync_all()
    }

    /// Reads a manifest. The error describes the problem.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        const DAMAGED: &str = "its manifest is damaged";

        let whole = match read(path) {
            Ok(whole) => whole,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err("its manifest is missing".into());
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(DAMAGED.into()),
            Err(error) => return Err(format!("its manifest cannot be read: {error}")),
        };
        let (line, text) = whole.split_once('\n').ok_or(DAMAGED)?;
        let text = text.strip_suffix('\n').ok_or(DAMAGED)?;
        if line.parse() != Ok(Fingerprint::of_bytes(text.as_bytes())) {
            return Err(DAMAGED.into());
        }
        // The manifest of another version may have another form.
        let version: Version = serde_json::from_str(text).map_err(|_| DAMAGED)?;
        if version.format != FORMAT || version.setl != SETL {
            return Err(format!("made by setl {}", version.setl));
        }
        serde_json::from_str(text).map_err(|_| DAMAGED.into())
    }
}

/// Returns the seconds since 1970. Earlier times count as zero.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Reads the text of a manifest in a directory that no other user has made.
fn read(path: &Path) -> io::Result<String> {
    if let Some(entry) = path.parent() {
        state::check_directory(entry)?;
    }
    state::read_to_string(path)
}

/// The fields that every version writes.
#[derive(Deserialize)]
struct Version {
    format: u64,
    setl: String,
}

/// Returns the fingerprint of all files of a payload. If `durable` is set, the files are also flushed to disk.
pub(super) fn fingerprint_of_files(directory: &Path, durable: bool) -> io::Result<Fingerprint> {
    state::check_directory(directory)?;
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut fingerprinter = Fingerprinter::new("payload");
    for entry in entries {
        let path = entry.path();
        fingerprinter.bytes(entry.file_name().as_encoded_bytes());
        if entry.file_type()?.is_dir() {
            fingerprinter.part(fingerprint_of_files(&path, durable)?);
            continue;
        }
        // Some systems only flush a file that is open for writing.
        let file = state::open(File::options().read(true).write(durable), &path)?;
        if durable {
            file.sync_all()?;
        }
        fingerprinter.part(Fingerprint::of_reader(file)?);
    }
    if durable {
        sync_directory(directory)?;
    }
    Ok(fingerprinter.finish())
}

/// Flushes the list of files of a directory. If the system cannot flush directories, it keeps them itself.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
