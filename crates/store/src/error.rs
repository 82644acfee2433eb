//! Errors of the store.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or created.
    #[error("{path}: {problem}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The file was written by a newer version of Wholecall.
    #[error(
        "{path} was written by a newer Wholecall (schema {found}, this version supports up to {known}); use that one, or restore a backup",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// Another process runs the service on this store.
    #[error("another wholecall process is running on {path}; stop it first", path = .0.display())]
    AlreadyRunning(PathBuf),
    /// Too much is waiting to be written.
    #[error("too much is waiting to be written: the disk is too slow; try again later")]
    Overloaded,
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
    /// The caller cancelled the query.
    #[error("the query was cancelled")]
    Cancelled,
    /// The disk is full.
    #[error("the disk is full; nothing was written")]
    Full,
    /// The file is read-only.
    #[error("the file cannot be written to; nothing was written")]
    ReadOnly,
    /// Stored data is damaged.
    #[error("the file is damaged ({0}); run `wholecall check`, or restore a backup")]
    Damaged(String),
    /// The request conflicts with what is stored; the text says why.
    #[error("{0}")]
    Conflict(String),
    /// Any other error of SQLite.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// The same error, for another caller of the same transaction.
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
    /// The description of the damage, without the advice to check. `None` if it is another error.
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

/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;
