//! The tables, and how an older file becomes a newer one.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{
    error::{Result, StoreError},
    private,
};

/// One step per version of the schema; the file's `user_version` counts the steps taken.
const STEPS: &[&str] = &[
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

/// Opens the file for writing, makes it if it is not there, and brings it up to date.
pub(crate) fn open_writer(path: &Path) -> Result<Connection> {
    make_file(path)?;
    let opened = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        // Before the first table. Of what a transaction changes, most are single rows here and there, of which each
        // costs a page in the log: larger pages would be read less often, but written more.
        connection.pragma_update(None, "page_size", 4_096)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -16_000)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // What moves within the file leaves nothing behind, so that whoever is erased later is not found there.
        connection.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
        keep_statements(&connection)?;
        Ok(connection)
    });
    let mut connection = opened.map_err(|error| cannot_open(path, &error))?;
    migrate(&mut connection, path).map_err(|error| match error {
        error @ StoreError::Newer { .. } => error,
        error => StoreError::Open { path: path.to_owned(), problem: error.to_string() },
    })?;
    Ok(connection)
}

/// Opens the file of what is not assembled yet, and makes it if it is not there.
pub(crate) fn open_arrivals(path: &Path) -> Result<Connection> {
    make_file(path)?;
    let opened = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(include_str!("schema/arrivals.sql"))?;
        keep_statements(&connection)?;
        Ok(connection)
    });
    opened.map_err(|error| cannot_open(path, &error))
}

/// Opens a file that is up to date, for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "cache_size", -8_000)?;
        keep_statements(&connection)?;
        Ok(connection)
    });
    opened.map_err(|error| cannot_open(path, &error))
}

/// Opens a file that is up to date, for bringing what is in the log into it.
pub(crate) fn open_checkpointer(path: &Path) -> Result<Connection> {
    let opened = Connection::open(path).and_then(|connection| {
        // The writer may be waiting meanwhile.
        connection.busy_timeout(std::time::Duration::from_millis(100))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    });
    opened.map_err(|error| cannot_open(path, &error))
}

/// A statement is prepared once, whatever is bound to it.
fn keep_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// What SQLite finds wrong with a file.
pub(crate) fn integrity_problems(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    let lines = rows.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// Another process may be writing: `wholecall tenant add` beside a running server.
const BUSY: std::time::Duration = std::time::Duration::from_secs(10);

/// So many statements there are at most of which a connection needs each again and again.
const STATEMENTS: usize = 64;

fn make_file(path: &Path) -> Result<()> {
    let failed =
        |error: std::io::Error| StoreError::Open { path: path.to_owned(), problem: error.to_string() };
    private::make_file(path).map_err(failed)
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Open { path: path.to_owned(), problem: error.to_string() }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let known = STEPS.len() as i64;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for step in &STEPS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(step).map_err(|error| not_of_version(found, &error))?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// What SQLite says repeats the whole step.
fn not_of_version(found: i64, error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => StoreError::Damaged(format!(
            "it says that it is of version {found}, and its tables are not: {msg}"
        )),
        other => StoreError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_whose_number_is_wrong_is_told_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wholecall.db");
        drop(open_writer(&path).unwrap());
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 0").unwrap();
        let told = open_writer(&path).unwrap_err().to_string();
        assert!(told.contains("version 0") && told.len() < 400 && !told.contains("CREATE"), "{told}");
    }

    #[test]
    fn a_file_of_an_earlier_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wholecall.db");
        let old = Connection::open(&path).unwrap();
        STEPS[..6].iter().for_each(|step| old.execute_batch(step).unwrap());
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
