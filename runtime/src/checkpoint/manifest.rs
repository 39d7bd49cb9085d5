//! What is kept beside a payload: what it was made of, and how to see that it is whole.

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

/// Whether what is kept can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// It holds what the factory would deliver.
    Valid,
    /// It is not used, and the factory runs.
    Stale {
        /// Why, as in `file flights.csv has changed`.
        because: String,
    },
}

impl Validity {
    pub(crate) fn stale(because: impl Into<String>) -> Self {
        Self::Stale { because: because.into() }
    }

    /// Whether it is [`Validity::Valid`].
    pub(crate) fn is_valid(&self) -> bool {
        *self == Self::Valid
    }
}

/// What is known of an output that is kept. Its file is text, for those who look.
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
    /// When it was made, in seconds since 1970.
    pub(crate) made: u64,
    /// How long the factory took, in nanoseconds; zero if that is unknown, since its output was lazy.
    pub(crate) took: u64,
    /// For how many seconds it may be taken, if the factory says so itself.
    pub(crate) max_age: Option<u64>,
    /// What the output depends on.
    pub(crate) key: Key,
    /// What the key is made of.
    pub(crate) components: Components,
    /// What the factory, and those above it, have read.
    pub(crate) reads: BTreeSet<Read>,
    /// Rows, where they are known.
    pub(crate) rows: Option<usize>,
    /// What counts for those who take the output, if its fallback has delivered it.
    pub(crate) by_fallback: bool,
    /// Whether it comes from a run whose factories write.
    pub(crate) writes: bool,
    /// Whether the factory has written anything that goes with the run if that fails.
    pub(crate) wrote: bool,
    /// The staged writes of the factory that were kept.
    pub(crate) kept_writes: Vec<serde_json::Value>,
    /// Factories above it that have written something. Where a run fails, what they wrote goes with it, unless it was kept
    /// with a checkpoint of their own.
    pub(crate) wrote_above: BTreeSet<String>,
    /// This factory and those above it that have done something outside, whether or not that goes with the run: see
    /// [`Ended::acted`](super::Ended::acted).
    pub(crate) acted: BTreeSet<String>,
    /// This factory and those above it that have left out their writes, so that nobody knows whether they act outside.
    pub(crate) unwritten: BTreeSet<String>,
    /// The fingerprint of the payload's files.
    pub(super) payload: Fingerprint,
    /// Factories whose writes are committed: see [`Manifest::are_committed`].
    #[serde(skip)]
    pub(super) committed: BTreeSet<String>,
}

/// What there is to say of an output that is to be kept, but for its payload.
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

    /// What counts in the keys of those who take the output.
    pub(super) fn delivers(&self) -> Fingerprint {
        if self.by_fallback { self.key.by_fallback() } else { self.key.fingerprint() }
    }

    /// Whether what it describes is what the factory would deliver, whether or not the payload is whole.
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

    /// Those whose writes go with the run, or are kept with this.
    pub(super) fn writers(&self) -> BTreeSet<String> {
        let itself = self.wrote.then(|| self.factory.clone());
        self.wrote_above.iter().cloned().chain(itself).collect()
    }

    /// That the writes of these factories are committed, although their run has not come to its end.
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

    /// Reads it; what is wrong with it is said in words.
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
        // What another version has written may look different altogether.
        let version: Version = serde_json::from_str(text).map_err(|_| DAMAGED)?;
        if version.format != FORMAT || version.setl != SETL {
            return Err(format!("made by setl {}", version.setl));
        }
        serde_json::from_str(text).map_err(|_| DAMAGED.into())
    }
}

/// In seconds since 1970; before that there was nothing to be kept.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The text of a manifest, in a directory that nobody else has made.
fn read(path: &Path) -> io::Result<String> {
    if let Some(entry) = path.parent() {
        state::check_directory(entry)?;
    }
    state::read_to_string(path)
}

/// What every version writes.
#[derive(Deserialize)]
struct Version {
    format: u64,
    setl: String,
}

/// The fingerprint of all files of a payload, which are brought to disk on the way if `durable`.
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
        // Some systems flush only what is open for writing.
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

/// Brings to disk which files a directory has. Where a directory cannot be flushed, the system sees to it.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
