//! Opens the database files, and migrates older ones.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::{
    error::{Result, StoreError},
    file_permissions,
};

/// The migrations; `user_version` of a file is the number of migrations applied to it. The file names skip 9.
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
    include_str!("schema/15.sql"),
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
    let opened = Connection::open(path).and_then(|mut connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        rename_arrivals(&mut connection)?;
        connection.execute_batch(include_str!("schema/arrivals.sql"))?;
        cache_statements(&connection)?;
        Ok(connection)
    });
    opened.map_err(|error| open_error(path, &error))
}

/// Columns of an `arrivals.db` that was written before schema/15.sql, with what renames each and its table.
const ARRIVALS_RENAMES: &[(&str, &str, &str)] = &[
    ("batches", "last", "ALTER TABLE batches RENAME COLUMN last TO last_position"),
    (
        "damaged",
        "last",
        "ALTER TABLE damaged RENAME TO unreadable_batches;
         ALTER TABLE unreadable_batches RENAME COLUMN last TO last_position",
    ),
    (
        "progress",
        "one",
        "ALTER TABLE progress RENAME COLUMN one TO singleton;
         ALTER TABLE progress RENAME COLUMN journaled TO journaled_position",
    ),
];

fn rename_arrivals(connection: &mut Connection) -> rusqlite::Result<()> {
    let pending = |connection: &Connection| -> rusqlite::Result<Vec<&str>> {
        let mut pending = Vec::new();
        for &(table, column, rename) in ARRIVALS_RENAMES {
            pending.extend(connection.column_exists(None, table, column)?.then_some(rename));
        }
        Ok(pending)
    };
    if pending(connection)?.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked up again: another process may have renamed them meanwhile.
    pending(&transaction)?.into_iter().try_for_each(|rename| transaction.execute_batch(rename))?;
    transaction.commit()
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
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
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
    use crate::{AuditQuery, CommitBatch, NewRejected, Position, Store, codec};

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

    /// A data folder with content of each kind, as the program with schema/14.sql left it.
    fn folder_of_schema_14() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let old = Connection::open(folder.path().join("wholecall.db")).unwrap();
        old.pragma_update(None, "journal_mode", "WAL").unwrap();
        let count = MIGRATIONS.len() - 1;
        MIGRATIONS[..count].iter().for_each(|migration| old.execute_batch(migration).unwrap());
        old.pragma_update(None, "user_version", count as i64).unwrap();
        let text = |text: &str| codec::pack(codec::Kind::Record, text.as_bytes()).unwrap();
        old.execute_batch(
            "INSERT INTO tenants VALUES (1, 'acme', 5, '{}', zeroblob(32));
             INSERT INTO secrets VALUES (3, 1, 'key', zeroblob(32), 'wck_', 5, 'default', 'admin', NULL, 77);
             INSERT INTO connections VALUES (1, '400131426008', 1, x'00', '{}', 88, '{\"a\":1}');
             INSERT INTO gaps VALUES (1, 1, '400131426008', 10, 20, 'restart', 99, 4, '[\"s-9\"]');
             INSERT INTO endpoints VALUES (6, 1, 'ep_1', 5, '{\"url\":\"https://example.com\",\"events\":[\"call.deleted\"]}', x'00', NULL, NULL, 1);
             INSERT INTO deliveries VALUES (6, 1, 'call.deleted', 0, '', NULL, 40, 'pending', 2, 50);
             INSERT INTO backups VALUES (1, 60, '/backup.db');
             INSERT INTO losses (what) VALUES ('the end of it');
             INSERT INTO audit VALUES (1, 70, 71, 1, 'acme', 'operator', NULL, NULL, NULL, NULL, 'tenant.add', '', 'done', 1);
             INSERT INTO removed_changes VALUES (1, 0);
             UPDATE checkpoint SET cursor = 1, arrived = 2;
             UPDATE tenant_changes SET count = 12;
             INSERT INTO terms VALUES (1, 1, 'extension', '104');",
        )
        .unwrap();
        let change = "INSERT INTO changes VALUES (1, 1, 0, 'call.deleted', 0, 40, ?1)";
        old.execute(change, [text(r#"{"calls":[{"id":"s-1"}]}"#)]).unwrap();
        old.execute("INSERT INTO directories VALUES (1, 1, '400131426008', 1, 30, ?1)", [text("{}")])
            .unwrap();
        let rejected = "INSERT INTO quarantine (position, tenant, arrived_ms, reason, body, bytes) VALUES (8, 1, 5, 'x', ?1, 900)";
        old.execute(rejected, [text("hello")]).unwrap();
        let arrivals = Connection::open(folder.path().join("arrivals.db")).unwrap();
        arrivals
            .execute_batch(
                "CREATE TABLE batches (last INTEGER PRIMARY KEY, notifications BLOB NOT NULL) STRICT;
                 CREATE TABLE damaged (last INTEGER PRIMARY KEY, notifications BLOB NOT NULL) STRICT;
                 CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), journaled INTEGER NOT NULL) STRICT;
                 INSERT INTO progress VALUES (1, 0);",
            )
            .unwrap();
        let rows =
            postcard::to_allocvec(&[(1_i64, 9_i64, "s-1", "{}"), (1, 9, "s-2", "{}")].to_vec()).unwrap();
        let batch = codec::pack(codec::Kind::Notification, &rows).unwrap();
        arrivals.execute("INSERT INTO batches VALUES (2, ?1)", [batch]).unwrap();
        folder
    }

    #[test]
    fn data_folder_of_schema_14_is_migrated_and_checks_clean() {
        let folder = folder_of_schema_14();
        for round in 0..2 {
            let store = Store::open(folder.path()).unwrap();
            store.acquire_instance_lock().unwrap();
            assert_eq!(store.losses().unwrap(), ["the end of it"]);
            let problems = [store.file_problems(), store.journal_problems(), store.feed_problems()];
            assert_eq!(problems.map(Result::unwrap), [const { Vec::<String>::new() }; 3]);
            assert_eq!(store.check_rest().unwrap(), []);
            let tenant = store.tenants().unwrap().remove(0);
            assert_eq!((tenant.name.as_str(), tenant.secrets[0].last_used_ms), ("acme", Some(77)));
            let view = store.of(tenant.id);
            let connection = view.connections().unwrap().remove(0);
            assert_eq!((connection.complete_until_ms, connection.directory.as_str()), (88, r#"{"a":1}"#));
            let gap = view.gaps("400131426008", 9).unwrap().remove(0);
            assert_eq!((gap.reconciled_ms, gap.logged, gap.missing), (Some(99), 4, vec!["s-9".to_owned()]));
            let endpoint = view.endpoints().unwrap().remove(0);
            let due = store.due(&endpoint, 50, 9).unwrap().remove(0);
            assert_eq!((due.created_ms, due.schedule_step, due.due_ms), (40, 2, Some(50)));
            assert_eq!(view.changes_after(Position(0), 9).unwrap()[0].created_ms, 40);
            assert_eq!(view.newest_directory("400131426008").unwrap().unwrap().fetched_ms, 30);
            assert_eq!(store.backups_before(60).unwrap()[0].created_ms, 60);
            let entry =
                store.audit(None, AuditQuery { limit: 9, ..AuditQuery::default() }).unwrap().remove(0);
            assert_eq!((entry.at_ms, entry.what.as_str()), (70, "tenant.add"));
            assert_eq!(store.configuration_version().unwrap(), 12);
            assert_eq!(view.resume_at("0").unwrap(), Ok(Position(0)));
            let rejected = view.rejected(None, 9).unwrap();
            assert_eq!((rejected.last().unwrap().id, rejected.last().unwrap().posted_bytes), (8, Some(900)));
            assert_eq!(rejected.len(), 1 + round);
            let again = NewRejected::new(tenant.id, 6, "y".to_owned(), b"more").unwrap();
            store.reject(again).unwrap().blocking_recv().unwrap().unwrap();
            assert_eq!(
                view.rejected(None, 9).unwrap()[0].id,
                9 + round as i64,
                "ids continue after the old ones"
            );
            let waiting = store.journal_after(Position(0), 9).unwrap();
            assert_eq!(waiting.iter().map(|entry| entry.position.0).collect::<Vec<_>>(), [1, 2]);
            if round == 1 {
                store.commit(CommitBatch { checkpoint: Position(2), changes: Vec::new() }).unwrap();
                assert_eq!(store.counts().unwrap(), (2, 0));
                assert_eq!(store.journal_problems().unwrap(), [""; 0]);
            }
        }
    }

    #[test]
    fn migrated_tables_have_the_names_of_a_new_file() {
        let (old, new) = (folder_of_schema_14(), tempfile::tempdir().unwrap());
        drop((Store::open(old.path()).unwrap(), Store::open(new.path()).unwrap()));
        let columns = |folder: &Path, file: &str| -> Vec<String> {
            let connection = Connection::open(folder.join(file)).unwrap();
            let sql = "SELECT s.name || '.' || c.name || ' ' || c.type || ' ' || c.pk FROM sqlite_schema AS s, pragma_table_info(s.name) AS c
                 WHERE s.type = 'table' ORDER BY 1";
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(rusqlite::Result::unwrap).collect()
        };
        for file in ["wholecall.db", "arrivals.db"] {
            let found = columns(old.path(), file);
            assert_eq!(found, columns(new.path(), file));
            let old_words = [".made", ".heard", "quarantine", ".one ", "set_aside", ".step "];
            assert!(
                !found.iter().any(|column| old_words.iter().any(|word| column.contains(word))),
                "{found:?}"
            );
        }
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
        let stored: String = again.query_row("SELECT name FROM incarnation", [], |row| row.get(0)).unwrap();
        assert_eq!(stored, name, "opened again, it is the same store");
    }
}
