//! What can go wrong with what is stored.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("{path}: {problem}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        problem: String,
    },
    /// The file was written by a newer version of Wholecall.
    #[error(
        "{path} was written by a newer Wholecall (schema {found}, this one knows up to {known}); use that one, or restore a backup",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// Another process receives and assembles.
    #[error("a wholecall is running on {path} already; stop it first", path = .0.display())]
    Claimed(PathBuf),
    /// More is waiting to be written than may wait.
    #[error("more is waiting to be written than the disk can follow; try again later")]
    Overloaded,
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
    /// Whoever asked no longer waits for it.
    #[error("the query was cancelled")]
    Cancelled,
    /// There is no room on the disk.
    #[error("there is no room left on the disk; nothing was written")]
    Full,
    /// The file cannot be written to.
    #[error("the file cannot be written to; nothing was written")]
    ReadOnly,
    /// What was read is not what was written.
    #[error("the file is damaged ({0}); run `wholecall check`, or restore a backup")]
    Damaged(String),
    /// There is such a thing already.
    #[error("{0}")]
    Exists(String),
    /// Anything else that SQLite has to say.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// The same, for another who waited for the same transaction.
    pub(crate) fn repeat(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::ReadOnly => Self::ReadOnly,
            Self::Damaged(what) => Self::Damaged(what.clone()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl StoreError {
    /// What is damaged, without the advice to check; none if that is not it.
    pub(crate) fn damage(&self) -> Option<String> {
        match self {
            Self::Damaged(what) => Some(what.clone()),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows,
            Utf8Error,
        };
        match &error {
            QueryReturnedNoRows => return Self::Damaged("a row is missing that must be there".to_owned()),
            InvalidColumnType(_, column, kind) => {
                return Self::Damaged(format!("{column} holds a value of type {kind}, which it must not"));
            }
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | Utf8Error(..) => {
                return Self::Damaged(error.to_string());
            }
            _ => {}
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::OperationInterrupted) => Self::Cancelled,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// The store's answers.
pub type Result<T> = std::result::Result<T, StoreError>;
