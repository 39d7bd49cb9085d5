//! Errors of staged writes that cannot be committed.

use std::io;
use std::path::{Path, PathBuf};

use super::disk;

/// An error that prevents a staged write from being committed.
///
/// ```
/// use setl_commit::{StagedFile, WriteError};
///
/// let error = StagedFile::beside("no/such/directory/report.html").expect_err("there is no directory");
/// assert!(matches!(error.downcast_ref(), Some(WriteError::Io { action: "create", .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The operating system refused an operation.
    #[error("cannot {action} {}", disk::name_of(path))]
    Io {
        /// The operation, as in “cannot replace”.
        action: &'static str,
        /// The path of the operation.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Two writes of one run replace the same target, so the later would undo the earlier.
    #[error(
        "two writes of one run replace {target}: write all rows at once, or let the later write append to what is there"
    )]
    Twice {
        /// The target that both replace.
        target: String,
    },
    /// Two writes of one run have the same target, but differ in format or columns.
    #[error("two writes of one run to {target} differ in format or columns")]
    Differ {
        /// The target of both writes.
        target: String,
    },
    /// The target must not exist yet, but does.
    #[error("{target} exists already, and is not to be replaced")]
    Exists {
        /// The existing target.
        target: String,
    },
    /// Another process has written to the target between staging and commit.
    #[error(
        "{target} has been changed by somebody else since the rows for it were made: run again, so that nothing of it is lost"
    )]
    Changed {
        /// The changed target.
        target: String,
    },
    /// The directory to replace holds an entry that is not data.
    #[error(
        "directory {} is not replaced, because it holds {name}, which is not a {extension} file: move it elsewhere",
        disk::name_of(path)
    )]
    Foreign {
        /// The path of the directory.
        path: PathBuf,
        /// The name of the entry.
        name: String,
        /// The extension of the files that may be replaced.
        extension: String,
    },
    /// The target is a directory and a file is to be written, or the other way round.
    #[error("{target} cannot be replaced: it is {found}, and {expected} is to be written")]
    Kind {
        /// The target.
        target: String,
        /// The kind of the existing entry, with its article.
        found: &'static str,
        /// The expected kind.
        expected: &'static str,
    },
    /// The new rows cannot be appended to the old ones.
    #[error("cannot append to {target}: {reason}")]
    Append {
        /// The target.
        target: String,
        /// The reason.
        reason: String,
    },
    /// Another run has held the lock of the target for too long.
    #[error("another run is about to commit to {target}: run again when it has ended")]
    Busy {
        /// The target of both runs.
        target: String,
    },
    /// An earlier run decided to change the target and could not finish. Nothing else is written to the target before
    /// that commit is settled.
    #[error(
        "{target} waits for the commit of an earlier run, whose journal {journal} cannot be recovered: {reason}; mend that and run \
         again, or give that commit up with `setl recover --set-aside {journal}`",
        journal = disk::name_of(journal)
    )]
    Pending {
        /// The target to be changed.
        target: String,
        /// The journal of the earlier run.
        journal: PathBuf,
        /// The reason why the journal cannot be recovered.
        reason: String,
    },
    /// The target holds the new data, but the system could not make sure that it is still there after a crash.
    #[error(
        "{target} holds the new data, but may be as before after a crash of the machine: the change could not be flushed to disk"
    )]
    Unflushed {
        /// The changed target.
        target: String,
        /// The error of the flush.
        source: Box<WriteError>,
    },
    /// The staged data is missing.
    #[error(
        "the new data for {target} is gone: it was put in place and the target has been changed or moved since, or it was removed"
    )]
    Lost {
        /// The target that should hold the data.
        target: String,
    },
    /// A journal names a path that is not staged for its target, so none of its steps are executed.
    #[error("{} is nothing that is staged for {target}", disk::name_of(path))]
    NotStaged {
        /// The target to be changed.
        target: String,
        /// The path that the journal names.
        path: PathBuf,
    },
    /// The directory of a target resolves to another directory now.
    #[error("the directory of {target} is {} now", disk::name_of(found))]
    Moved {
        /// The target to be changed.
        target: String,
        /// The directory that it resolves to now.
        found: PathBuf,
    },
    /// The journal has no place. Without it, several targets cannot be changed together.
    #[error(
        "cannot use the state directory, {}: choose another one with `state_dir` or the environment variable SETL_STATE_DIR",
        disk::name_of(path)
    )]
    State {
        /// The path that cannot be created.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The journal of a run cannot be read.
    #[error("journal {} {reason}", disk::name_of(path))]
    Journal {
        /// The path of the journal.
        path: PathBuf,
        /// The problem and its fix.
        reason: String,
    },
    /// A write that was kept for a later run is missing or in use.
    #[error("what was staged for {target} and kept in {} is {what}", disk::name_of(path))]
    Kept {
        /// The target of the write.
        target: String,
        /// The path of the kept data.
        path: PathBuf,
        /// The state of the kept data.
        what: &'static str,
    },
}

impl WriteError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
