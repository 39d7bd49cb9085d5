//! The cache of one pipeline in a run: taking and adding outputs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::{self, Failed, InUse, MAKING, USED, age, count_use, failed, remove_unused};
use super::policy::Limits;
use crate::checkpoint::entry::{Aside, MANIFEST, Unfilled, check_payload, file_name, fill};
use crate::checkpoint::{Components, Contents, Key, Made, Manifest, Validity, sync_directory};
use crate::{Error, Result};
use setl_commit::state;

/// The folder of the caches of all pipelines in a state directory.
const CACHE: &str = "cache";

/// Returns the path of that folder, if no other user may have written in it.
///
/// # Errors
/// When another user may have written in it.
pub(super) fn root_of(state: &Path) -> Result<PathBuf, Failed> {
    let root = state.join(CACHE);
    state::check_below(state, [CACHE]).map_err(failed("use", &root))?;
    Ok(root)
}

/// The cache of one pipeline. Any number of runs may use it at the same time. All methods block.
///
/// Each entry is a directory with the payload, a manifest, and a count of its uses. Its name is unique: a factory can
/// have several entries, and a reader never finds another entry in its place. An entry is made in a temporary directory
/// and renamed once it is on disk, so that it is complete or missing whenever the program ends.
#[derive(Debug)]
pub(crate) struct Cache {
    state: PathBuf,
    pipeline: String,
    run: String,
    limits: Limits,
}

/// An entry that is valid according to its manifest.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) manifest: Manifest,
    path: PathBuf,
}

/// The result of a look-up for a factory.
#[derive(Debug, Default)]
pub(crate) struct LookUp {
    /// The valid entries, newest first.
    pub(crate) found: Vec<Found>,
    /// The reason why other entries are invalid.
    pub(crate) because: Option<String>,
}

impl Cache {
    /// Creates the cache of a pipeline. The disk is not touched before a look-up or an addition.
    pub(crate) fn new(state: &Path, pipeline: &str, run: impl ToString, limits: Limits) -> Self {
        Self { state: state.to_owned(), pipeline: pipeline.to_owned(), run: run.to_string(), limits }
    }

    /// The names of the nested directories that hold the entries of a factory.
    fn of_factory(&self, factory: &str) -> [String; 3] {
        [CACHE.to_owned(), file_name(&self.pipeline), file_name(factory)]
    }

    /// Finds the entries of a factory that would deliver the same output again. `writes` is set if the factory writes in
    /// this run.
    pub(crate) fn look_up(
        &self,
        factory: &str,
        now: &Components,
        writes: bool,
        max_age: Duration,
        contents: &Contents,
    ) -> LookUp {
        let names = self.of_factory(factory);
        let all = match state::check_below(&self.state, names.iter().map(String::as_str)) {
            Ok(true) => disk::whole(&self.state.join(names.iter().collect::<PathBuf>())),
            Err(error) if state::is_insecure(&error) => {
                return LookUp { because: Some(error.to_string()), ..LookUp::default() };
            }
            Ok(false) | Err(_) => Vec::new(),
        };
        let (same, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| is_of(path, now.key()));
        let mut result = LookUp::default();
        for path in same {
            match read(&path) {
                Ok(Some(manifest)) => match check(&manifest, now, writes, max_age, contents) {
                    Validity::Valid => result.found.push(Found { manifest, path }),
                    Validity::Stale { because } => {
                        result.because.get_or_insert(because);
                    }
                },
                Ok(None) => {}
                Err(because) => {
                    result.because.get_or_insert(because);
                }
            }
        }
        if result.found.is_empty() && result.because.is_none() {
            // The difference to the newest of the other entries.
            result.because = others.iter().find_map(|path| match read(path) {
                Ok(Some(manifest)) => now.difference(&manifest.components),
                Ok(None) => None,
                Err(because) => Some(because),
            });
        }
        result
    }

    /// Loads an entry. If it turns out to be damaged, it is removed, and the error says why.
    pub(crate) fn take<T>(
        &self,
        found: &Found,
        load: impl FnOnce(&Path) -> Result<T>,
    ) -> std::result::Result<T, String> {
        let gone = || "somebody has removed it".to_owned();
        let in_use = InUse::of(&found.path).ok_or_else(gone)?;
        let loaded = match check_payload(&found.path, &found.manifest) {
            Validity::Valid => load(&disk::payload(&found.path))
                .map_err(|error| format!("its file cannot be read: {error:#}")),
            Validity::Stale { because } => Err(because),
        };
        match loaded {
            Ok(loaded) => {
                count_use(&found.path);
                Ok(loaded)
            }
            Err(because) => {
                drop(in_use);
                // The entry is useless. If it cannot be removed now, the next run finds the same.
                let _ = remove_unused(&found.path);
                Err(because)
            }
        }
    }

    /// Adds an output. `store` writes the payload into the given directory, and its result is returned. Entries that then
    /// exceed the limits are removed.
    ///
    /// # Errors
    /// When `store` fails, when the disk refuses, when the output is larger than the cache may hold, or when a file that was read
    /// for it has changed meanwhile, because a query reads only when it is run. Nothing of the output is left then.
    pub(crate) fn put<T>(
        &self,
        factory: &str,
        made: Made,
        contents: &Contents,
        store: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<T> {
        let names = self.of_factory(factory);
        let directory = self.state.join(names.iter().collect::<PathBuf>());
        let made_in = || state::create(&self.state, names.iter().map(String::as_str));
        made_in()
            .map_err(|error| Error::new(error).context(format!("cannot create {}", directory.display())))?;
        let key = made.components.key();
        let stored =
            self.fill(&directory, factory, made, contents, store).map_err(|unfilled| match unfilled {
                Unfilled::Output(error) => error,
                Unfilled::Io(action, path, error) => {
                    Error::new(error).context(format!("cannot {action} {}", path.display()))
                }
            })?;
        self.drop_superseded(&directory, key);
        // The next run tries again to remove an entry that cannot be removed now.
        let _ = disk::sweep(&self.state.join(CACHE), self.limits);
        Ok(stored)
    }

    fn fill<T>(
        &self,
        directory: &Path,
        factory: &str,
        made: Made,
        contents: &Contents,
        store: impl FnOnce(&Path) -> Result<T>,
    ) -> std::result::Result<T, Unfilled> {
        let key = made.components.key();
        let reads = made.reads.clone();
        let (aside, making) = begin(directory)?;
        let stored = fill(&aside.0, store, |payload| {
            Manifest::new(&self.pipeline, factory, &self.run, made, payload)
        })?;
        if let Some(objection) = reads.iter().find_map(|read| read.objection(contents)) {
            return Err(Unfilled::Output(Error::msg(format!("{objection} meanwhile"))));
        }
        let used = aside.0.join(USED);
        state::create_file(&used).map_err(Unfilled::io("create", &used))?;
        let bytes = disk::bytes_of(&aside.0);
        if bytes > self.limits.max_bytes {
            let most = self.limits.max_bytes;
            let message = format!(
                "it takes {bytes} bytes, and the cache may hold {most}: allow for more with `max_bytes`"
            );
            return Err(Unfilled::Output(Error::msg(message)));
        }
        let path = aside.0.join(MAKING);
        // From here on, the lock of the manifest shows that a process is making the entry. On Windows, an open file could
        // not be renamed.
        let in_use = if cfg!(windows) { None } else { InUse::of(&aside.0) };
        fs::remove_file(&path).map_err(Unfilled::io("remove", &path))?;
        drop(making);
        let entry = directory.join(format!("{}-{}", prefix(key), uuid::Uuid::now_v7().simple()));
        fs::rename(&aside.0, &entry).map_err(Unfilled::io("rename", &entry))?;
        drop(in_use);
        sync_directory(directory).map_err(Unfilled::io("flush", directory))?;
        Ok(stored)
    }

    /// Removes the entries that the newest entry of a key replaces: two runs may have made it at the same time, or an old
    /// one had expired.
    fn drop_superseded(&self, directory: &Path, key: Key) {
        let mut all = disk::whole(directory).into_iter().filter(|path| is_of(path, key));
        let newest = all.next().map(|path| read(&path));
        let Some(Ok(Some(newest))) = newest else { return };
        for path in all {
            if let Ok(Some(older)) = read(&path)
                && (older.key, &older.reads, older.writes) == (newest.key, &newest.reads, newest.writes)
            {
                let _ = remove_unused(&path);
            }
        }
    }
}

/// Creates a directory for an unfinished entry, with a lock that shows other processes that it is being made.
fn begin(directory: &Path) -> std::result::Result<(Aside, File), Unfilled> {
    loop {
        let aside = Aside::within(directory);
        state::create_directory(&aside.0).map_err(Unfilled::io("create", &aside.0))?;
        let path = aside.0.join(MAKING);
        let making = match state::create_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            made => made.map_err(Unfilled::io("create", &path))?,
        };
        // Before the file is locked, another process may take it for a left-over and remove it.
        match making.try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            // Without locks, no process finds that this one has died.
            Err(TryLockError::Error(_)) => return Ok((aside, making)),
            Ok(()) if path.exists() => return Ok((aside, making)),
            Ok(()) => continue,
        }
    }
}

fn check(
    manifest: &Manifest,
    now: &Components,
    writes: bool,
    max_age: Duration,
    contents: &Contents,
) -> Validity {
    if age(manifest.made) > max_age {
        let max_age = humantime::format_duration(max_age);
        return Validity::stale(format!("it was made longer ago than {max_age}"));
    }
    manifest.check(now, writes, contents)
}

/// Reads the manifest of an entry. Returns `None` if the entry is gone by now. A damaged entry is removed.
fn read(entry: &Path) -> std::result::Result<Option<Manifest>, String> {
    match Manifest::read(&entry.join(MANIFEST)) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(_) if !entry.exists() => Ok(None),
        Err(because) => {
            // Another version of setl may be able to use the entry, or a process that may read it.
            if because.ends_with(" is damaged") || because.ends_with(" is missing") {
                let _ = remove_unused(entry);
            }
            Err(because)
        }
    }
}

/// The first part of the names of all entries with this key, so that not every manifest has to be read.
fn prefix(key: Key) -> String {
    let all = format!("{:#}", key.fingerprint());
    all[..16].to_owned()
}

fn is_of(entry: &Path, key: Key) -> bool {
    let name = entry.file_name().unwrap_or_default().to_string_lossy();
    name.split_once('-').is_some_and(|(start, _)| start == prefix(key))
}

#[cfg(test)]
mod tests;
