//! Why a staged write cannot be committed.

use std::io;
use std::path::{Path, PathBuf};

use super::disk;

/// What is in the way of a staged write.
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
    /// The operating system refused something.
    #[error("cannot {action} {}", disk::name_of(path))]
    Io {
        /// What was tried, as in “cannot replace”.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Of two writes of one run, the later would undo the earlier.
    #[error(
        "two writes of one run replace {target}: write all rows at once, or let the later write append to what is there"
    )]
    Twice {
        /// What both replace.
        target: String,
    },
    /// Two writes of one run go to one target, but not in one format or with one set of columns.
    #[error("two writes of one run to {target} differ in format or columns")]
    Differ {
        /// Where both go.
        target: String,
    },
    /// The target was not to be there yet.
    #[error("{target} exists already, and is not to be replaced")]
    Exists {
        /// What is there.
        target: String,
    },
    /// Between staging and committing, somebody else has written to the target.
    #[error(
        "{target} has been changed by somebody else since the rows for it were made: run again, so that nothing of it is lost"
    )]
    Changed {
        /// What has changed.
        target: String,
    },
    /// A directory that is to be replaced holds something that is not data.
    #[error(
        "directory {} is not replaced, because it holds {name}, which is not a {extension} file: move it elsewhere",
        disk::name_of(path)
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        name: String,
        /// The extension of the files that may be replaced.
        extension: String,
    },
    /// A file is to be written where a directory is, or a directory where a file is.
    #[error("{target} cannot be replaced: it is {found}, and {expected} is to be written")]
    Kind {
        /// Where it is.
        target: String,
        /// What is there, with its article.
        found: &'static str,
        /// What should be there.
        expected: &'static str,
    },
    /// The new rows cannot be put after the old ones.
    #[error("cannot append to {target}: {reason}")]
    Append {
        /// Where they should be.
        target: String,
        /// Why not.
        reason: String,
    },
    /// Another run holds the lock of the target, and has not let go of it for long.
    #[error("another run is about to commit to {target}: run again when it has ended")]
    Busy {
        /// What both write to.
        target: String,
    },
    /// An earlier run has decided to change the target and could not do so. Before that is settled nothing else is written.
    #[error(
        "{target} waits for the commit of an earlier run, whose journal {journal} cannot be recovered: {reason}; mend that and run \
         again, or give that commit up with `setl recover --set-aside {journal}`",
        journal = disk::name_of(journal)
    )]
    Pending {
        /// What is to be changed.
        target: String,
        /// The journal of the earlier run.
        journal: PathBuf,
        /// Why it cannot be recovered.
        reason: String,
    },
    /// What was staged is not there any more.
    #[error(
        "the new data for {target} is gone: it was put in place and the target has been changed or moved since, or it was removed"
    )]
    Lost {
        /// Where it should be.
        target: String,
    },
    /// A journal names something that is not staged for its target, so that nothing is done of what it says.
    #[error("{} is nothing that is staged for {target}", disk::name_of(path))]
    NotStaged {
        /// What is to be changed.
        target: String,
        /// What is named for it.
        path: PathBuf,
    },
    /// The directory of a target is another one now.
    #[error("the directory of {target} is {} now", disk::name_of(found))]
    Moved {
        /// What is to be changed.
        target: String,
        /// Where its directory leads to.
        found: PathBuf,
    },
    /// There is no place for a journal, without which several targets cannot be changed together.
    #[error(
        "cannot use the state directory, {}: choose another one with `state_dir` or the environment variable SETL_STATE_DIR",
        disk::name_of(path)
    )]
    State {
        /// What in it cannot be made.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The journal of a run cannot be understood.
    #[error("journal {} {reason}", disk::name_of(path))]
    Journal {
        /// Where it is.
        path: PathBuf,
        /// What is the matter, and what to do.
        reason: String,
    },
    /// What was kept for a later run is not there any more, or is in use.
    #[error("what was staged for {target} and kept in {} is {what}", disk::name_of(path))]
    Kept {
        /// What it was for.
        target: String,
        /// Where it was kept.
        path: PathBuf,
        /// What is the matter with it.
        what: &'static str,
    },
}

impl WriteError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
