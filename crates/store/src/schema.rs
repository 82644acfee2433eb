//! Opens the database files, and migrates older ones.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{
    error::{Result, StoreError},
    file_permissions,
};

/// The migrations; `user_version` of a file is the number of migrations applied to it.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/10.sql"),
    include_str!("schema/11.sql"),
    include_str!("schema/12.sql"),
    include_str!("schema/13.sql"),
    include_str!("schema/14.sql"),
];

/// Opens the main database for writing, creates it if it does not exist, and migrates it.
pub(crate) fn open_writer(path: &Path) -> Result<Connection> {
    create_file(path)?;
    let opened = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Must be set before the first table is created. Most changes are of single rows, each of which costs one
        // page in the log: with larger pages, less would be read and more written.
        connection.pragma_update(None, "page_size", 4_096)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -16_000)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // Content that moves within the file is overwritten, so that nothing of a person who is erased later remains
        // there.
        connection.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
        cache_statements(&connection)?;
        Ok(connection)
    });
    let mut connection = opened.map_err(|error| open_error(path, &error))?;
    migrate(&mut connection, path).map_err(|error| match error {
        error @ StoreError::Newer { .. } => error,
        error => StoreError::Open { path: path.to_owned(), problem: error.to_string() },
    })?;
    Ok(connection)
}

/// Opens the database of arrivals for writing, creates it if it does not exist, and migrates it.
pub(crate) fn open_arrivals(path: &Path) -> Result<Connection> {
    create_file(path)?;
    let opened = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(include_str!("schema/arrivals.sql"))?;
        cache_statements(&connection)?;
        Ok(connection)
    });
    opened.map_err(|error| open_error(path, &error))
}

/// Opens a migrated database for reading.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "cache_size", -8_000)?;
        cache_statements(&connection)?;
        Ok(connection)
    });
    opened.map_err(|error| open_error(path, &error))
}

/// Opens a migrated database for checkpointing its log.
pub(crate) fn open_checkpointer(path: &Path) -> Result<Connection> {
    let opened = Connection::open(path).and_then(|connection| {
        // Short, because the writer may be waiting for this connection.
        connection.busy_timeout(std::time::Duration::from_millis(100))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    });
    opened.map_err(|error| open_error(path, &error))
}

/// Lets statements be prepared once: their plans do not depend on bound values.
fn cache_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Problems that SQLite's integrity check finds in a file.
pub(crate) fn integrity_problems(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    let lines = rows.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// Maximum time to wait for another writing process, such as `wholecall tenant add` beside a running server.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Capacity of the cache of prepared statements; must exceed the number of statements that a connection uses
/// repeatedly.
const STATEMENT_CACHE_CAPACITY: usize = 64;

fn create_file(path: &Path) -> Result<()> {
    let failed =
        |error: std::io::Error| StoreError::Open { path: path.to_owned(), problem: error.to_string() };
    file_permissions::create_file(path).map_err(failed)
}

fn open_error(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Open { path: path.to_owned(), problem: error.to_string() }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let known = MIGRATIONS.len() as i64;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for migration in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(migration).map_err(|error| wrong_version(found, &error))?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// SQLite's own message would repeat the whole migration.
fn wrong_version(found: i64, error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => StoreError::Damaged(format!(
            "its schema version is {found}, but its tables are of another version: {msg}"
        )),
        other => StoreError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_schema_version_is_reported_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wholecall.db");
        drop(open_writer(&path).unwrap());
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 0").unwrap();
        let message = open_writer(&path).unwrap_err().to_string();
        assert!(
            message.contains("version is 0") && message.len() < 400 && !message.contains("CREATE"),
            "{message}"
        );
    }

    #[test]
    fn queue_visits_are_migrated_from_schema_6() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wholecall.db");
        let old = Connection::open(&path).unwrap();
        MIGRATIONS[..6].iter().for_each(|migration| old.execute_batch(migration).unwrap());
        old.execute_batch(
            "INSERT INTO terms VALUES (1, 1, 'queue', '7'), (2, 1, 'queue', '8'), (3, 1, 'extension', '104');
             INSERT INTO calls VALUES (5, 1, 's-5', 1, 1, 1, 100, 200, 'complete', 'Inbound', 'Answered', 1, 2, 3, 0, x'');
             INSERT INTO call_terms VALUES (1, 100, 5, 'Overflowed', 10, 0, 0), (2, 100, 5, 'Answered', 20, 0, 0),
                 (3, 100, 5, 'Answered', 30, 40, 50), (1, 300, 6, NULL, NULL, NULL, NULL);
             PRAGMA user_version = 6;",
        )
        .unwrap();
        drop(old);
        let new = open_writer(&path).unwrap();
        let text = |sql: &str| -> String { new.query_row(sql, [], |row| row.get(0)).unwrap() };
        let visits =
            "SELECT group_concat(call || ':' || number || ':' || term || ':' || outcome || ':' || wait_ms)
             FROM (SELECT * FROM queue_visits ORDER BY call, number)";
        assert_eq!(text(visits), "5:0:1:Overflowed:10,5:1:2:Answered:20");
        assert_eq!(text("SELECT group_concat(term) FROM call_terms WHERE outcome NOT NULL"), "3");
        assert_eq!(text("SELECT coalesce(end_state, '-') FROM calls"), "-");
        let name = text("SELECT name FROM incarnation");
        assert_eq!(name.len(), 8);
        drop(new);
        let again = open_writer(&path).unwrap();
        let kept: String = again.query_row("SELECT name FROM incarnation", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, name, "opened again, it is the same store");
    }
}
