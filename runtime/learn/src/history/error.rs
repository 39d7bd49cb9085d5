//! The errors of a history.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// An error of the history. No run fails because of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The file was created by a newer version of `setl`.
    #[error(
        "the history {} has format {found}, and this version of setl knows formats up to {known}: update setl, or give it \
         another state directory with `state_dir` or the environment variable SETL_STATE_DIR",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The file is not a history.
    #[error(
        "{} is a database of another program: move it away, or give setl another state directory with `state_dir` or the \
         environment variable SETL_STATE_DIR",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file turned out to be damaged while it was in use.
    #[error("the history {} is damaged{}: the next run begins a new one", .path.display(), renamed(.aside.as_deref()))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The new path of the damaged file. `None` if another process had already handled it.
        aside: Option<PathBuf>,
        /// The error of SQLite.
        source: Box<dyn Error + Send + Sync>,
    },
    /// SQLite failed to use the file.
    #[error(
        "cannot {action} the history {}: see that it can be written to and has room, and that no process keeps it locked",
        .path.display()
    )]
    Sqlite {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file or directory cannot be used.
    #[error(
        "cannot {action} {} for the history of runs: give it another place with `state_dir` or the environment variable \
         SETL_STATE_DIR, or see that this one can be written to and has room",
        .path.display()
    )]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
}

impl HistoryError {
    pub(super) fn sqlite(action: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        Self::Sqlite { action, path: path.to_owned(), source: Box::new(source) }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn renamed(aside: Option<&Path>) -> String {
    aside
        .map(|aside| format!(" and was renamed to {}, which can be deleted", aside.display()))
        .unwrap_or_default()
}

/// `true` if the file itself is damaged, so that a retry is useless.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
