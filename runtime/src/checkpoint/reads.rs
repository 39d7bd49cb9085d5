//! The files that factories have read. A checkpoint is valid only as long as they have not changed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Fingerprinter};
use crate::base::sync::held;

/// A place that was read, and its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Read {
    /// The place as the factory names it.
    pub(crate) place: String,
    /// The absolute path.
    path: PathBuf,
    /// The fingerprint of the content. `None` if it is unknown, so that later runs cannot verify it.
    content: Option<Fingerprint>,
}

impl Read {
    /// `true` if a later run can verify the content.
    pub(super) fn is_known(&self) -> bool {
        self.content.is_some()
    }

    /// `true` if the factory would read the same path now, because a relative place depends on the working directory.
    fn is_same_place(&self) -> bool {
        absolute(&self.place).is_ok_and(|now| now == self.path)
    }

    /// Returns the reason why an output that was made from it is invalid, if it is.
    pub(crate) fn objection(&self, contents: &Contents) -> Option<String> {
        let Some(then) = self.content else {
            return Some(format!("it read {}, and whether that has changed cannot be told", self.place));
        };
        if !self.is_same_place() {
            return Some(format!("file {} is another one in this directory", self.place));
        }
        match contents.of(&self.path) {
            Ok(Some(now)) if now == then => None,
            Ok(Some(Fingerprint::ABSENT)) => Some(format!("file {} is not there any more", self.place)),
            Ok(_) => Some(format!("file {} has changed", self.place)),
            Err(error) => Some(format!("file {} cannot be read: {error}", self.place)),
        }
    }
}

/// The reads of one factory in a run, and whether it had an effect outside of the run. Any thread can record both.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    contents: Arc<Contents>,
    recorded: Mutex<Vec<Read>>,
    acted: AtomicBool,
}

impl Reads {
    pub(super) fn new(contents: Arc<Contents>) -> Self {
        Self { contents, ..Self::default() }
    }

    /// Records that a file, or all files in a directory, are read.
    ///
    /// It must be called before the reading. A change in between then counts as a change since the checkpoint, and not as
    /// a part of it. This blocks, because it reads the whole content.
    ///
    /// # Errors
    /// When the content cannot be read. A missing file is not an error, and is recorded too.
    pub(crate) fn record(&self, path: &Path) -> io::Result<()> {
        let resolved = absolute(path)?;
        // The record is stored as text, so it needs a UTF-8 path.
        let content = if resolved.to_str().is_some() { self.contents.of(&resolved)? } else { None };
        self.add(Read { place: path.display().to_string(), path: resolved, content });
        Ok(())
    }

    /// Records a read whose changes cannot be verified. A checkpoint that depends on it is never valid.
    pub(crate) fn record_unknown(&self, place: impl Into<String>) {
        self.add(Read { place: place.into(), path: PathBuf::new(), content: None });
    }

    /// Records the reads that others have done for this factory.
    pub(crate) fn record_all<'a>(&self, reads: impl IntoIterator<Item = &'a Read>) {
        reads.into_iter().for_each(|read| self.add(read.clone()));
    }

    fn add(&self, read: Read) {
        let mut recorded = held(self.recorded.lock());
        if !recorded.contains(&read) {
            recorded.push(read);
        }
    }

    /// Records that the factory has changed something outside that no run undoes.
    pub(crate) fn record_act(&self) {
        self.acted.store(true, Ordering::Release);
    }

    pub(super) fn has_acted(&self) -> bool {
        self.acted.load(Ordering::Acquire)
    }

    /// Returns the records so far.
    pub(crate) fn recorded(&self) -> Vec<Read> {
        held(self.recorded.lock()).clone()
    }
}

/// The fingerprints of files. Each is computed once as long as the file looks the same.
///
/// It is valid for one run only. If a file changes unnoticed within the run, the old content is recorded. The next run
/// does not find that content, and reads the file again unnecessarily.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    known: Mutex<HashMap<PathBuf, (Stamp, Fingerprint)>>,
}

type Stamp = (u64, Option<SystemTime>, Change);

/// `true` for a file of a commit: a staged file or a lock. It is not yet content of the directory.
fn is_of_a_commit(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().map(OsStr::as_encoded_bytes);
    name.as_encoded_bytes().starts_with(b".") && extension.is_some_and(|kind| kind.starts_with(b"setl-"))
}

/// The inode and the time of its last change, which no program can set back. `None` if the system has neither.
type Change = Option<(u64, i64, i64)>;

#[cfg(unix)]
fn change(metadata: &Metadata) -> Change {
    use std::os::unix::fs::MetadataExt as _;

    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn change(_: &Metadata) -> Change {
    None
}

impl Contents {
    /// Returns the fingerprint of a file, or of all files in a directory. Returns `None` for anything else.
    pub(super) fn of(&self, path: &Path) -> io::Result<Option<Fingerprint>> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => self.of_file(path, &metadata).map(Some),
            Ok(metadata) if metadata.is_dir() => self.of_directory(path, &mut Vec::new()),
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(Some(Fingerprint::ABSENT)),
            Err(error) => Err(error),
        }
    }

    fn of_file(&self, path: &Path, metadata: &Metadata) -> io::Result<Fingerprint> {
        let stamp = (metadata.len(), metadata.modified().ok(), change(metadata));
        if let Some((seen, fingerprint)) = held(self.known.lock()).get(path)
            && *seen == stamp
        {
            return Ok(*fingerprint);
        }
        let fingerprint = Fingerprint::of_reader(File::open(path)?)?;
        held(self.known.lock()).insert(path.to_owned(), (stamp, fingerprint));
        Ok(fingerprint)
    }

    /// Returns the fingerprint of a directory. `around` lists the directories that contain it, with links resolved.
    fn of_directory(&self, path: &Path, around: &mut Vec<PathBuf>) -> io::Result<Option<Fingerprint>> {
        let resolved = fs::canonicalize(path)?;
        if around.contains(&resolved) {
            // A link leads back to a directory that is already counted.
            return Ok(Some(Fingerprint::of_bytes(b"around")));
        }
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut fingerprinter = Fingerprinter::new("directory");
        around.push(resolved);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            if is_of_a_commit(&name) {
                continue;
            }
            let content = if path.is_dir() { self.of_directory(&path, around)? } else { self.of(&path)? };
            let Some(content) = content else { return Ok(None) };
            fingerprinter.bytes(name.as_encoded_bytes());
            fingerprinter.part(content);
        }
        around.pop();
        Ok(Some(fingerprinter.finish()))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    /// Checks the objection to a read of `place` after `change`.
    #[track_caller]
    fn check(prepare: impl Fn(&Path), change: impl Fn(&Path), expected: Option<&str>) {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("flights");
        prepare(&place);
        let reads = Reads::default();
        reads.record(&place).unwrap();
        let recorded = reads.recorded();
        assert_eq!(recorded.len(), 1);
        let text = serde_json::to_string(&recorded).unwrap();
        let recorded: Vec<Read> = serde_json::from_str(&text).unwrap();
        assert_eq!(recorded[0].objection(&Contents::default()), None);
        change(&place);
        let objection = recorded[0].objection(&Contents::default());
        let objection = objection.map(|objection| objection.replace(&place.display().to_string(), "flights"));
        assert_eq!(objection.as_deref(), expected);
    }

    fn write(path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn a_file_that_changes_is_seen() {
        let file = |content: &'static str| move |path: &Path| write(path, content);
        check(file("a"), file("a"), None);
        check(file("a"), file("b"), Some("file flights has changed"));
        check(file("a"), |path| fs::remove_file(path).unwrap(), Some("file flights is not there any more"));
        check(|_| {}, |_| {}, None);
        check(|_| {}, file(""), Some("file flights has changed"));
    }

    #[test]
    fn a_directory_that_changes_is_seen() {
        let changed = Some("file flights has changed");
        let two = |path: &Path| {
            write(&path.join("a"), "1");
            write(&path.join("within/b"), "2");
        };
        check(two, two, None);
        check(two, |path| write(&path.join("within/b"), "3"), changed);
        check(two, |path| write(&path.join("c"), ""), changed);
        check(two, |path| fs::rename(path.join("a"), path.join("c")).unwrap(), changed);
        check(two, |path| fs::remove_dir_all(path.join("within")).unwrap(), changed);
        for beside in [".a.csv.123.setl-tmp", ".a.csv.123.setl-ready", ".a.csv.setl-lock"] {
            check(two, |path| write(&path.join(beside), "half"), None);
        }
        check(two, |path| write(&path.join("a.setl-tmp"), "whole"), changed);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_linked_is_seen() {
        use std::os::unix::fs::symlink;

        let linked = |path: &Path| {
            write(&path.join("../elsewhere/b"), "2");
            write(&path.join("a"), "1");
            symlink(path.join("../elsewhere"), path.join("link")).unwrap();
            symlink(path, path.join("../elsewhere/back")).unwrap();
        };
        check(linked, |_| {}, None);
        let changed = Some("file flights has changed");
        check(linked, |path| write(&path.join("../elsewhere/b"), "3"), changed);
        check(linked, |path| fs::remove_file(path.join("link")).unwrap(), changed);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_the_same_size_and_time_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let (file, other) = (directory.path().join("a"), directory.path().join("b"));
        let contents = Contents::default();
        let of = |path: &Path| contents.of(path).unwrap();
        write(&file, "1");
        let (before, time) = (of(&file), fs::metadata(&file).unwrap().modified().unwrap());
        write(&other, "2");
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &file).unwrap();
        assert_ne!(of(&file), before);
    }

    #[test]
    fn a_relative_place_is_another_one_elsewhere() {
        let path = absolute("flights").unwrap();
        let read = Read { place: "flights".into(), path, content: Some(Fingerprint::ABSENT) };
        assert_eq!(read.objection(&Contents::default()), None);
        let elsewhere = Read { path: "/elsewhere/flights".into(), ..read };
        let objection = elsewhere.objection(&Contents::default());
        assert_eq!(objection.as_deref(), Some("file flights is another one in this directory"));
    }

    #[test]
    fn what_cannot_be_told_is_never_the_same() {
        let reads = Reads::default();
        reads.record_unknown("table flights");
        let objection = reads.recorded()[0].objection(&Contents::default()).unwrap();
        assert_eq!(objection, "it read table flights, and whether that has changed cannot be told");
    }

    #[test]
    fn what_is_read_twice_is_recorded_once_unless_it_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a");
        let reads = Reads::default();
        for (content, recorded) in [("1", 1), ("1", 1), ("22", 2)] {
            write(&file, content);
            reads.record(&file).unwrap();
            assert_eq!(reads.recorded().len(), recorded);
        }
    }
}
