//! Why a history cannot be used.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a history cannot be used. No run fails because of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A newer `setl` has made it.
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
        /// The newest format that is known.
        known: u32,
    },
    /// It is no history.
    #[error(
        "{} is a database of another program: move it away, or give setl another state directory with `state_dir` or the \
         environment variable SETL_STATE_DIR",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It turned out to be damaged while it was used.
    #[error("the history {} is damaged{}: the next run begins a new one", .path.display(), renamed(.aside.as_deref()))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it is called now; none if another process had already seen to it.
        aside: Option<PathBuf>,
        /// What SQLite says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// SQLite cannot do something with it.
    #[error(
        "cannot {action} the history {}: see that it can be written to and has room, and that no process keeps it locked",
        .path.display()
    )]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file or directory cannot be used.
    #[error(
        "cannot {action} {} for the history of runs: give it another place with `state_dir` or the environment variable \
         SETL_STATE_DIR, or see that this one can be written to and has room",
        .path.display()
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What came of it.
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

/// Whether the file itself is at fault, so that trying again is no use.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
