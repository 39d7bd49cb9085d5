//! How several pieces become one content: the old and the new, or what several factories have added.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::disk;
use super::error::WriteError;

/// The way in which pieces become one content. It is serialisable, so that a later process can do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// The content is one thing.
    Whole,
    /// Lines after lines.
    Lines {
        /// What a file begins with that has nothing yet.
        header: String,
    },
    /// Contents of a format that a [`Merge`] puts together.
    Format {
        /// The name under which the format was [added](add_format).
        name: String,
        /// The options of the merge, as the format writes them.
        options: String,
    },
    /// Files beside files, with this extension.
    Directory {
        /// The extension of the files, without a dot.
        extension: String,
        /// What all of them have in common: format and columns.
        layout: String,
    },
}

impl Recipe {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    /// Whether rows that are to be appended are not yet a file of their own.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self, Self::Lines { header } if !header.is_empty())
    }

    /// Whether two writes can be put together.
    pub(super) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole, _) => false,
            // The columns are compared when they are put together.
            (Self::Format { name: one, .. }, Self::Format { name: other, .. }) => one == other,
            _ => self == other,
        }
    }

    /// Makes `into`, which is there and empty, from what is at `old` and the pieces, of which the first may be bare.
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
        // What is appended has no header of its own.
        if bare && Some(path) != old && file.stream_position().map_err(failed())? == 0 {
            file.write_all(header.as_bytes()).map_err(failed())?;
        }
        let mut piece = File::open(path).map_err(WriteError::io("read", path))?;
        io::copy(&mut piece, &mut file).map_err(failed())?;
        complete_line(&mut file).map_err(failed())?;
    }
    Ok(())
}

/// Ends the last line, if there is one without an end.
fn complete_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" { file.write_all(b"\n") } else { Ok(()) }
}

/// Puts contents of one format together. It gets the options of the [recipe](Recipe::Format), the old content if there is one, the
/// new pieces, and the file to write, which is there and empty.
pub type Merge = fn(&str, Option<&Path>, &[PathBuf], &Path) -> crate::Result<()>;

static FORMATS: RwLock<Vec<(&str, Merge)>> = RwLock::new(Vec::new());

/// Adds a format to those of [`Recipe::Format`], for the rest of the process. One that is there already stays.
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

/// The files of all directories, the same on disk where that can be.
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

/// The names of the files in a directory that is data as a whole, sorted. Anything else in it would be lost with it.
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

/// Whether a file of this name is data, and not a note that a program has left beside.
pub fn is_part(name: &str, extension: &str) -> bool {
    let suffix = Path::new(name).extension();
    !name.starts_with(['.', '_']) && suffix.is_some_and(|suffix| suffix == extension)
}
