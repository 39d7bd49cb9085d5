//! The cache of one pipeline, in a run: what is taken from it, and what is added.

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

/// Where the caches of all pipelines are, in a state directory.
const CACHE: &str = "cache";

/// The same as a path, if nobody else may have written what is there.
///
/// # Errors
/// When somebody may.
pub(super) fn root_of(state: &Path) -> Result<PathBuf, Failed> {
    let root = state.join(CACHE);
    state::check_below(state, [CACHE]).map_err(failed("use", &root))?;
    Ok(root)
}

/// The cache of one pipeline. Any number of runs use it at once. All of it blocks.
///
/// Each entry is a directory with the payload, a manifest, and how often it was taken. Its name is its own: there are several
/// of one factory, and who reads one never finds another in its place. It is made aside and renamed when it is on disk, so
/// that whenever the program ends it is there or it is not.
#[derive(Debug)]
pub(crate) struct Cache {
    state: PathBuf,
    pipeline: String,
    run: String,
    limits: Limits,
}

/// An entry that may be taken, as far as its manifest says.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) manifest: Manifest,
    path: PathBuf,
}

/// What was found of a factory.
#[derive(Debug, Default)]
pub(crate) struct LookUp {
    /// What may be taken, newest first.
    pub(crate) found: Vec<Found>,
    /// Why the rest may not.
    pub(crate) because: Option<String>,
}

impl Cache {
    /// Of a pipeline. Nothing is touched before something is looked up or added.
    pub(crate) fn new(state: &Path, pipeline: &str, run: impl ToString, limits: Limits) -> Self {
        Self { state: state.to_owned(), pipeline: pipeline.to_owned(), run: run.to_string(), limits }
    }

    /// Where the entries of a factory are: names of directories one in another.
    fn of_factory(&self, factory: &str) -> [String; 3] {
        [CACHE.to_owned(), file_name(&self.pipeline), file_name(factory)]
    }

    /// What there is of a factory that would deliver the same again; `writes` is whether it writes in this run.
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
            // What is the matter with the one that was made last.
            result.because = others.iter().find_map(|path| match read(path) {
                Ok(Some(manifest)) => now.difference(&manifest.components),
                Ok(None) => None,
                Err(because) => Some(because),
            });
        }
        result
    }

    /// Takes what was found, unless it turns out to be damaged: then it is removed. Why it cannot be taken is said in words.
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
                // It is of no use to anybody. If it cannot be removed now, the next run finds the same.
                let _ = remove_unused(&found.path);
                Err(because)
            }
        }
    }

    /// Adds an output; `store` writes the payload into the directory that it is given. Gives what `store` gives. What is too
    /// much or too old then is removed.
    ///
    /// # Errors
    /// What `store` gives, when the disk does not take it, when it is more than the cache may hold, or when what was read for it
    /// is not the same any more: a query reads only when it is run. Nothing is left of it.
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
        // What cannot be removed now is too much for the next run, too.
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
        // From here on, its manifest says that somebody makes it. On Windows, what is open could not be renamed.
        let in_use = if cfg!(windows) { None } else { InUse::of(&aside.0) };
        fs::remove_file(&path).map_err(Unfilled::io("remove", &path))?;
        drop(making);
        let entry = directory.join(format!("{}-{}", prefix(key), uuid::Uuid::now_v7().simple()));
        fs::rename(&aside.0, &entry).map_err(Unfilled::io("rename", &entry))?;
        drop(in_use);
        sync_directory(directory).map_err(Unfilled::io("flush", directory))?;
        Ok(stored)
    }

    /// Removes what the newest of a key stands for: two runs may have made it at once, or it was too old.
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

/// A directory for what is being made, with a lock by which others see that somebody makes it.
fn begin(directory: &Path) -> std::result::Result<(Aside, File), Unfilled> {
    loop {
        let aside = Aside::within(directory);
        state::create_directory(&aside.0).map_err(Unfilled::io("create", &aside.0))?;
        let path = aside.0.join(MAKING);
        let making = match state::create_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            made => made.map_err(Unfilled::io("create", &path))?,
        };
        // Before it is locked, somebody may take it for what a dead process has left, and remove it.
        match making.try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            // Where there are no locks, nobody finds that this process has died.
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

/// The manifest of an entry; none if the entry is gone by now. What is damaged is removed.
fn read(entry: &Path) -> std::result::Result<Option<Manifest>, String> {
    match Manifest::read(&entry.join(MANIFEST)) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(_) if !entry.exists() => Ok(None),
        Err(because) => {
            // Another version may find it useful, or whoever may read it.
            if because.ends_with(" is damaged") || because.ends_with(" is missing") {
                let _ = remove_unused(entry);
            }
            Err(because)
        }
    }
}

/// What the names of entries with this key begin with, so that not all manifests have to be read.
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
