//! Merging of several pieces into one content: the old and the new, or the pieces of several factories.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::disk;
use super::error::WriteError;

/// The way to merge pieces into one content. It is serialisable, so that a later process can merge them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// The content is one unit and cannot be merged.
    Whole,
    /// The content consists of lines.
    Lines {
        /// The first line of a new file.
        header: String,
    },
    /// The content has a format that a [`Merge`] function merges.
    Format {
        /// The name under which the format was [added](add_format).
        name: String,
        /// The options of the merge, as the format writes them.
        options: String,
    },
    /// The content is a directory of files with this extension.
    Directory {
        /// The extension of the files, without a dot.
        extension: String,
        /// The properties that all files share: format and columns.
        layout: String,
    },
}

impl Recipe {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    /// `true` if rows to be appended are not a complete file on their own.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self, Self::Lines { header } if !header.is_empty())
    }

    /// `true` if two writes can be merged.
    pub(super) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole, _) => false,
            // The columns are compared when the writes are merged.
            (Self::Format { name: one, .. }, Self::Format { name: other, .. }) => one == other,
            _ => self == other,
        }
    }

    /// Fills `into`, which exists and is empty, with the content of `old` and the pieces. If `bare` is set, the pieces have
    /// no header.
    pub(super) fn merge(
        &self,
        bare: bool,
        old: Option<&Path>,
        pieces: &[PathBuf],
        into: &Path,
    ) -> crate::Result<()> {
        match self {
            Self::Whole => Err(crate::Error::msg("what is one thing cannot be put together")),
            Self::Lines { header } => Ok(lines(header, bare, old, pieces, into)?),
            Self::Format { name, options } => format(name, options, old, pieces, into),
            Self::Directory { extension, .. } => Ok(directory(extension, old, pieces, into)?),
        }
    }
}

fn lines(
    header: &str,
    bare: bool,
    old: Option<&Path>,
    pieces: &[PathBuf],
    into: &Path,
) -> Result<(), WriteError> {
    let failed = || WriteError::io("write", into);
    let mut file = File::options().read(true).write(true).open(into).map_err(failed())?;
    for path in old.into_iter().chain(pieces.iter().map(PathBuf::as_path)) {
        // An appended piece has no header of its own.
        if bare && Some(path) != old && file.stream_position().map_err(failed())? == 0 {
            file.write_all(header.as_bytes()).map_err(failed())?;
        }
        let mut piece = File::open(path).map_err(WriteError::io("read", path))?;
        io::copy(&mut piece, &mut file).map_err(failed())?;
        complete_line(&mut file).map_err(failed())?;
    }
    Ok(())
}

/// Ends the last line, if it has no line break.
fn complete_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" { file.write_all(b"\n") } else { Ok(()) }
}

/// Merges contents of one format. The arguments are the options of the [recipe](Recipe::Format), the old content if there
/// is one, the new pieces, and the file to write, which exists and is empty.
pub type Merge = fn(&str, Option<&Path>, &[PathBuf], &Path) -> crate::Result<()>;

static FORMATS: RwLock<Vec<(&str, Merge)>> = RwLock::new(Vec::new());

/// Adds a format to those of [`Recipe::Format`], for the rest of the process. A format of the same name is not replaced.
pub fn add_format(name: &'static str, merge: Merge) {
    let mut formats = FORMATS.write().unwrap_or_else(PoisonError::into_inner);
    if formats.iter().all(|(known, _)| *known != name) {
        formats.push((name, merge));
    }
}

fn format(
    name: &str,
    options: &str,
    old: Option<&Path>,
    pieces: &[PathBuf],
    into: &Path,
) -> crate::Result<()> {
    let formats = FORMATS.read().unwrap_or_else(PoisonError::into_inner);
    let merge = formats.iter().find(|(known, _)| *known == name).map(|(_, merge)| *merge);
    drop(formats);
    match merge {
        Some(merge) => merge(options, old, pieces, into),
        None => Err(crate::Error::msg(format!("this program cannot put {name} files together"))),
    }
}

/// Links or copies the files of all directories into `into`. Hard links share the data on disk where possible.
fn directory(extension: &str, old: Option<&Path>, pieces: &[PathBuf], into: &Path) -> Result<(), WriteError> {
    for from in old.into_iter().chain(pieces.iter().map(PathBuf::as_path)) {
        for name in part_names(from, extension)? {
            let (source, link) = (from.join(&name), into.join(&name));
            if fs::hard_link(&source, &link).is_err() {
                fs::copy(&source, &link).map_err(WriteError::io("copy", &source))?;
            }
        }
    }
    Ok(())
}

/// Returns the sorted names of the files in a directory that is data as a whole. Fails if it holds anything else, which
/// would be lost with it.
pub(crate) fn part_names(directory: &Path, extension: &str) -> Result<Vec<String>, WriteError> {
    let read = || WriteError::io("read", directory);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(read())? {
        let entry = entry.map_err(read())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_part = is_part(&name, extension)
            && entry.file_name().to_str().is_some()
            && disk::if_there(fs::metadata(entry.path()))
                .map_err(read())?
                .is_some_and(|found| found.is_file());
        if !is_part {
            let (path, extension) = (directory.to_owned(), extension.to_owned());
            return Err(WriteError::Foreign { path, name, extension });
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// Returns `true` if a file of this name is data, and not a note that a program has left there.
pub fn is_part(name: &str, extension: &str) -> bool {
    let suffix = Path::new(name).extension();
    !name.starts_with(['.', '_']) && suffix.is_some_and(|suffix| suffix == extension)
}
