//! A file as a target: written aside, flushed, and renamed into place.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::{FileWriteFormat, LazyFrame, PlRefPath, SinkDestination, SinkTarget, UnifiedSinkArgs};
use uuid::Uuid;

use super::StagedWrite;
use crate::dataset::{DataError, nearest};

/// A file of a format, there already or not yet.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) format: &'static str,
    pub(super) path: PathBuf,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} file {}", self.format, self.path.display())
    }
}

impl Place {
    pub(super) fn new(format: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { format, path: path.into() }
    }

    /// Checks that there is a file.
    pub(super) fn check_exists(&self) -> Result<(), DataError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => Err(self.bad("it is a directory")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.not_found()),
            Err(source) => Err(self.io("open", source)),
        }
    }

    /// Makes the directory of the file, if need be.
    pub(super) fn prepare(&self) -> Result<(), DataError> {
        if self.path.is_dir() {
            return Err(self.bad("it is a directory"));
        }
        let directory = self.directory();
        fs::create_dir_all(directory).map_err(|source| DataError::Io {
            action: "create the directory",
            path: directory.to_owned(),
            source,
        })
    }

    fn not_found(&self) -> DataError {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let hint = match fs::read_dir(self.directory()) {
            Ok(entries) => {
                let names: Vec<_> =
                    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
                nearest(&name, names.iter().map(String::as_str))
                    .map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
            }
            Err(_) => format!(": there is no directory {}", self.directory().display()),
        };
        DataError::NoFile { format: self.format, path: self.path.clone(), hint }
    }

    pub(super) fn bad(&self, reason: impl Into<String>) -> DataError {
        DataError::BadFile { format: self.format, path: self.path.clone(), reason: reason.into() }
    }

    pub(super) fn io(&self, action: &'static str, source: io::Error) -> DataError {
        DataError::Io { action, path: self.path.clone(), source }
    }

    fn directory(&self) -> &Path {
        directory_of(&self.path)
    }

    /// The path as Polars takes it.
    pub(super) fn polars_path(&self) -> Result<PlRefPath, DataError> {
        PlRefPath::try_from_path(&self.path).map_err(|error| self.bad(error.to_string()))
    }

    /// Runs `query` into a hidden file beside the target, and flushes it to disk.
    pub(super) fn stage(
        &self,
        query: LazyFrame,
        format: FileWriteFormat,
    ) -> crate::Result<Box<dyn StagedWrite>> {
        // A link stays a link: the file that it leads to is replaced.
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let aside = Place::new(self.format, aside_of(&target));
        // From here on, leaving in whatever way removes the file.
        let staged = StagedFile { aside: Some(aside.path.clone()), target };
        let destination = SinkDestination::File { target: SinkTarget::Path(aside.polars_path()?) };
        query.sink(destination, format, UnifiedSinkArgs::default())?.collect()?;
        staged.flush().map_err(|source| aside.io("flush", source))?;
        Ok(Box::new(staged))
    }
}

/// `.delays.parquet.<uuid>.setl-tmp` beside `delays.parquet`: a rename within a directory is one step.
fn aside_of(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.setl-tmp", Uuid::now_v7()))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[derive(Debug)]
struct StagedFile {
    /// `None` once it is renamed or removed.
    aside: Option<PathBuf>,
    target: PathBuf,
}

impl StagedFile {
    /// Brings the content to disk, and gives it the permissions of what it replaces.
    fn flush(&self) -> io::Result<()> {
        let Some(aside) = &self.aside else {
            return Ok(());
        };
        OpenOptions::new().write(true).open(aside)?.sync_all()?;
        match fs::metadata(&self.target) {
            Ok(old) => fs::set_permissions(aside, old.permissions()),
            Err(_) => Ok(()),
        }
    }

    fn remove(&mut self) -> io::Result<()> {
        match self.aside.take().map(fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl StagedWrite for StagedFile {
    fn target(&self) -> String {
        self.target.display().to_string()
    }

    fn commit(mut self: Box<Self>) -> crate::Result<()> {
        let Some(aside) = &self.aside else {
            return Ok(());
        };
        let failed = |source| DataError::Io { action: "replace", path: self.target.clone(), source };
        fs::rename(aside, &self.target).map_err(failed)?;
        // The rename itself must survive a crash too; where a directory cannot be flushed, the system sees to it.
        if let Ok(directory) = File::open(directory_of(&self.target)) {
            let _ = directory.sync_all();
        }
        self.aside = None;
        Ok(())
    }

    fn rollback(mut self: Box<Self>) -> crate::Result<()> {
        let path = self.aside.clone().unwrap_or_default();
        Ok(self.remove().map_err(|source| DataError::Io { action: "remove", path, source })?)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Nobody is left to tell; the name of the file says that it is to be removed.
        let _ = self.remove();
    }
}
