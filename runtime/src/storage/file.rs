//! A file or a directory of files as a place: its checks, and staging a query beside it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polars::prelude::file_provider::{FileProviderArgs, FileProviderReturn, FileProviderType};
use polars::prelude::*;
use uuid::Uuid;

use super::connector::{SaveMode, StageRequest};
use super::csv::records::is_compressed;
use super::{ScanRequest, StagedWrite};
use crate::base::names::nearest;
use crate::checkpoint::in_run::record_look;
use crate::dataset::scan::polars_path;
use crate::dataset::{DataError, running};
use crate::run::current;
use setl_commit::{How, Recipe, StagedFile, Untouched, WriteError, directory_of, is_part, name_of, resolved};

/// A file of a format, or a directory of such files. It need not exist.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) format: &'static str,
    extension: &'static str,
    pub(super) path: PathBuf,
    directory: Option<Parts>,
}

/// A directory whose files form the data together.
#[derive(Clone, Debug, Default)]
struct Parts {
    /// The maximum number of rows per file. 0 means no limit.
    rows_per_file: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.directory.is_some() { "directory" } else { "file" };
        write!(f, "{} {kind} {}", self.format, self.path.display())
    }
}

impl Place {
    pub(super) fn new(format: &'static str, extension: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { format, extension, path: path.into(), directory: None }
    }

    pub(super) fn set_directory(&mut self) {
        self.directory.get_or_insert_default();
    }

    pub(super) fn set_rows_per_file(&mut self, rows: usize) {
        self.directory.get_or_insert_default().rows_per_file = rows;
    }

    /// Checks that the file exists, or the directory if the place is one.
    pub(super) fn check_exists(&self) -> Result<(), DataError> {
        match (fs::metadata(&self.path), &self.directory) {
            (Ok(metadata), None) if metadata.is_dir() => Err(self.bad("it is a directory")),
            (Ok(metadata), Some(_)) if !metadata.is_dir() => Err(self.bad("it is not a directory")),
            // Opening a pipe would wait for its other end.
            (Ok(metadata), None) if !metadata.is_file() => Err(self.bad("it is not a regular file")),
            (Ok(_), _) => Ok(()),
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Err(self.not_found()),
            (Err(source), _) => Err(self.io("open", source)),
        }
    }

    /// Does the same as [`check_exists`](Self::check_exists) when a user opens the place. The check is recorded, because
    /// its result may decide the output of a factory.
    pub(super) fn open(&self) -> Result<(), DataError> {
        if record_look(Some(&self.path), String::new).is_err() {
            // The file cannot be read. The reader reports the error. Here, its content is recorded as unknown.
            let _ = record_look(None, || self.to_string());
        }
        self.check_exists()
    }

    /// Creates the parent directory if it is missing.
    pub(super) fn prepare(&self) -> Result<(), DataError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() && self.directory.is_none() => {
                return Err(self.bad("it is a directory"));
            }
            Ok(metadata) if !metadata.is_dir() && self.directory.is_some() => {
                return Err(self.bad("it is not a directory"));
            }
            _ => {}
        }
        let directory = directory_of(&self.path);
        fs::create_dir_all(directory).map_err(|source| DataError::Io {
            action: "create the directory",
            path: directory.to_owned(),
            source: in_the_way(directory, source),
        })
    }

    fn not_found(&self) -> DataError {
        if let Ok(target) = fs::read_link(&self.path) {
            let hint = format!(": it is a link to {}, which is not there", target.display());
            return DataError::NoFile { format: self.format, path: self.path.clone(), hint };
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let directory = directory_of(&self.path);
        if let Ok(target) = fs::read_link(&self.path) {
            let hint = format!(": it is a link to {}, which is not there", target.display());
            return DataError::NoFile { format: self.format, path: self.path.clone(), hint };
        }
        let hint = match fs::read_dir(directory) {
            Ok(entries) => {
                let names: Vec<_> =
                    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
                nearest(&name, names.iter().map(String::as_str))
                    .map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
            }
            Err(_) => format!(": there is no directory {}", directory.display()),
        };
        // The directory of a relative path depends on where the program was started.
        let inside = match std::env::current_dir() {
            Ok(current) if self.path.is_relative() => format!(" in {}", current.display()),
            _ => String::new(),
        };
        DataError::NoFile { format: self.format, path: self.path.clone(), hint: inside + &hint }
    }

    pub(super) fn bad(&self, reason: impl Into<String>) -> DataError {
        DataError::BadFile { format: self.format, path: self.path.clone(), reason: reason.into() }
    }

    pub(super) fn io(&self, action: &'static str, source: io::Error) -> DataError {
        DataError::Io { action, path: self.path.clone(), source }
    }

    /// Returns the target. It equals the target of the writes that are staged here.
    pub(super) fn target(&self) -> String {
        name_of(&resolved(&self.path))
    }

    /// Converts the path for Polars.
    pub(super) fn polars_path(&self) -> Result<PlRefPath, DataError> {
        polars_path(&self.path).map_err(|error| self.bad(error.to_string()))
    }

    /// Returns each file as a separate place: the single file, or those of the directory in the order of their names.
    pub(super) fn files(&self) -> Result<Vec<Self>, DataError> {
        if self.directory.is_none() {
            return Ok(vec![self.clone()]);
        }
        let (mut paths, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.path).map_err(|source| self.io("read", source))? {
            let entry = entry.map_err(|source| self.io("read", source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_part(&name, self.extension) && !entry.path().is_dir() {
                paths.push(entry.path());
            } else if !name.starts_with(['.', '_']) {
                others.push(name);
            }
        }
        if !others.is_empty() {
            return Err(self.bad(foreign(others, self.extension)));
        }
        paths.sort();
        Ok(paths.into_iter().map(|path| Self { path, directory: None, ..self.clone() }).collect())
    }

    /// Opens every file with `scan`, and appends their rows in order.
    pub(super) fn scan(
        &self,
        request: &ScanRequest<'_>,
        scan: impl Fn(Self) -> crate::Result<LazyFrame>,
    ) -> crate::Result<LazyFrame> {
        self.check_exists()?;
        if self.directory.is_none() {
            return scan(self.clone());
        }
        let frames = self.files()?.into_iter().map(scan).collect::<crate::Result<Vec<_>>>()?;
        if frames.is_empty() {
            let columns = request.shape.columns.iter();
            let schema: Schema = columns.map(|column| (column.name.into(), column.dtype.clone())).collect();
            return Ok(DataFrame::empty_with_schema(&schema).lazy());
        }
        Ok(concat(frames, UnionArgs::default())?)
    }

    /// Returns a write without effect if the target exists and must stay.
    pub(super) fn untouched(&self, request: &StageRequest<'_>) -> Option<Box<dyn StagedWrite>> {
        let left = request.mode == SaveMode::Ignore && fs::symlink_metadata(&self.path).is_ok();
        left.then(|| Box::new(Untouched::new(self.target())) as Box<dyn StagedWrite>)
    }

    /// Runs `query` into a hidden file or directory beside the target, and flushes it to disk.
    ///
    /// `recipe` says how files of this kind are merged. `check` checks each file that rows are appended to.
    pub(super) fn stage(
        &self,
        query: LazyFrame,
        format: FileWriteFormat,
        request: &StageRequest<'_>,
        recipe: Recipe,
        check: impl Fn(Self) -> crate::Result<()>,
    ) -> crate::Result<Box<dyn StagedWrite>> {
        let how = match request.mode {
            SaveMode::Overwrite => How::Replace,
            SaveMode::Append => How::Append,
            SaveMode::ErrorIfExists => How::Create,
            SaveMode::Ignore => How::CreateOrStay,
        };
        // From here on, every return without the write removes the staged entry.
        let mut staged = StagedFile::new(&self.path, how, self.recipe(recipe))?;
        if how == How::Append && staged.has_base() {
            self.files()?.into_iter().try_for_each(check)?;
        }
        let gives_up = Arc::new(AtomicBool::new(false));
        let destination = self.destination(staged.path(), &gives_up)?;
        if let Err(error) = sink(query, destination, format) {
            gives_up.store(true, Ordering::Release);
            let aside = staged.path().to_owned();
            // If the run is ending, the query may continue for a while and would create the file again.
            if let Some(staged) = current::leave_until_end(staged) {
                drop(staged);
                if self.directory.is_some() {
                    remove_late_parts(&aside);
                }
            }
            return Err(error);
        }
        staged.flush()?;
        Ok(Box::new(staged))
    }

    /// Refuses a compressed file, because lines cannot be appended to it.
    pub(super) fn check_plain(&self) -> crate::Result<()> {
        let compressed = is_compressed(&self.path).map_err(|source| self.io("read", source))?;
        if !compressed {
            return Ok(());
        }
        let reason = "it is compressed: decompress it first, or take a directory, where new rows are files of their own";
        Err(WriteError::Append { target: self.to_string(), reason: reason.to_owned() }.into())
    }

    fn recipe(&self, single: Recipe) -> Recipe {
        match &self.directory {
            None => single,
            Some(_) => Recipe::Directory {
                extension: self.extension.to_owned(),
                layout: format!("{} {single:?}", self.format),
            },
        }
    }

    /// `true` if lines are appended to a file that may have lines already, so that they must not have a header.
    pub(super) fn is_bare(&self, request: &StageRequest<'_>) -> bool {
        request.mode == SaveMode::Append && self.directory.is_none()
    }

    /// Returns the destination of the rows. No new file is begun once `gives_up` is set.
    fn destination(&self, aside: &Path, gives_up: &Arc<AtomicBool>) -> crate::Result<SinkDestination> {
        let path = polars_path(aside)?;
        let Some(parts) = &self.directory else {
            return Ok(SinkDestination::File { target: SinkTarget::Path(path) });
        };
        // A name is never used again: a reader that has listed the directory finds the listed content, or nothing.
        let (write, extension) = (Uuid::now_v7(), self.extension);
        let gives_up = Arc::clone(gives_up);
        let name = move |part: FileProviderArgs| {
            polars_ensure!(!gives_up.load(Ordering::Acquire), ComputeError: "another part cannot be written");
            let index = part.index_in_partition;
            Ok(FileProviderReturn::Path(format!("part-{write}-{index:08}.{extension}")))
        };
        Ok(SinkDestination::Partitioned {
            base_path: path,
            file_path_provider: Some(FileProviderType::Function(PlanCallback::new(name))),
            partition_strategy: PartitionStrategy::FileSize,
            max_rows_per_file: IdxSize::try_from(parts.rows_per_file).unwrap_or(IdxSize::MAX),
            approximate_bytes_per_file: 0,
        })
    }
}

/// Describes the files of a directory that would not be read.
fn foreign(mut names: Vec<String>, extension: &str) -> String {
    const SHOWN: usize = 5;
    names.sort();
    let mut listed: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        listed.push(format!("{} more", names.len() - SHOWN));
    }
    format!(
        "not everything in it is a file whose name ends in `.{extension}`: {}; rename what belongs to the data, and begin the name of anything else with `_`",
        listed.join(", ")
    )
}

/// Adds the file that is in the place of the directory or of one of its parents to the error.
fn in_the_way(directory: &Path, error: io::Error) -> io::Error {
    let there = directory.ancestors().find(|path| fs::symlink_metadata(path).is_ok());
    match there {
        Some(path) if !path.is_dir() => {
            let it = if path == directory { "it".to_owned() } else { path.display().to_string() };
            let what = if path.is_file() { "a file" } else { "no directory" };
            io::Error::new(error.kind(), format!("{error}: {it} is {what}"))
        }
        _ => error,
    }
}

/// Removes files that Polars writes after it has reported a failure: a part that was about to be opened creates the
/// directory again.
fn remove_late_parts(aside: &Path) {
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(5));
        // The next run that writes there removes the files that are written even later.
        let _ = fs::remove_dir_all(aside);
    }
}

/// Runs `query` into files, and keeps the order of the rows.
pub(super) fn sink(
    query: LazyFrame,
    destination: SinkDestination,
    format: FileWriteFormat,
) -> crate::Result<()> {
    let query = query.sink(destination, format, UnifiedSinkArgs::default())?;
    running::collected_blocking(query).map(drop).map_err(|fault| fault.into_error(|error| error))
}
