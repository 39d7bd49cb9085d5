//! Why a staged write cannot be committed.

use std::io;
use std::path::{Path, PathBuf};

/// What is in the way of a staged write.
///
/// ```
/// use setl::commit::{StagedFile, WriteError};
///
/// let error = StagedFile::beside("no/such/directory/report.html").expect_err("there is no directory");
/// assert!(matches!(error.downcast_ref(), Some(WriteError::Io { action: "create", .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
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
    #[error("directory {} is not replaced, because it holds {name}, which is not a {extension} file: move it elsewhere", path.display())]
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
    /// There is no place for a journal, without which several targets cannot be changed together.
    #[error(
        "cannot create the state directory {}: choose another one with the environment variable SETL_STATE_DIR",
        path.display()
    )]
    State {
        /// What cannot be created.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The journal of a run cannot be understood.
    #[error("journal {} {reason}", path.display())]
    Journal {
        /// Where it is.
        path: PathBuf,
        /// What is the matter, and what to do.
        reason: &'static str,
    },
    /// What was kept for a later run is not there any more, or is in use.
    #[error("what was staged for {target} and kept in {} is {what}", path.display())]
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
