//! Backups: a copy of everything in one snapshot, made while the service runs.

use std::{fs, path::Path};

use rusqlite::{Connection, params};

use crate::{
    Position, Store,
    arrivals::StoredArrival,
    audit_log::{AuditAction, note},
    error::{Result, StoreError},
    file_permissions, journal, schema,
    writer_caches::WriterCaches,
};

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// When, milliseconds since 1970.
    pub created_ms: i64,
    /// The file's path.
    pub file: String,
}

impl Store {
    /// The backups that were made before a time, latest first.
    pub fn backups_before(&self, before_ms: i64) -> Result<Vec<Backup>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT created_ms, file FROM backups WHERE created_ms <= ?1 ORDER BY backup DESC",
            )?;
            let rows = statement
                .query_map([before_ms], |row| Ok(Backup { created_ms: row.get(0)?, file: row.get(1)? }))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Copies everything to a new file in one snapshot, and checks the copy. Returns its length in bytes. Blocks.
    pub fn backup(&self, file: &Path, now_ms: i64) -> Result<u64> {
        let failed =
            |error: std::io::Error| StoreError::Open { path: file.to_owned(), problem: error.to_string() };
        // Created here, so that no file is overwritten.
        let copy = file_permissions::new_file_options().open(file).map_err(failed)?;
        let written = self.copy_to(file).and_then(|()| {
            copy.sync_all().map_err(failed)?;
            copy.metadata().map_err(failed)
        });
        match written {
            Ok(metadata) => {
                let name = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
                let name = name.to_string_lossy().into_owned();
                let who = self.who.clone();
                self.writer().run(move |transaction, _| {
                    let insert = "INSERT INTO backups (created_ms, file) VALUES (?1, ?2)";
                    transaction.execute(insert, params![now_ms, name])?;
                    note(transaction, &who, None, AuditAction::Backup, &name)
                })?;
                Ok(metadata.len())
            }
            Err(error) => {
                // An incomplete file is not a backup.
                let _ = fs::remove_file(file);
                Err(error)
            }
        }
    }

    fn copy_to(&self, file: &Path) -> Result<()> {
        let name =
            file.to_str().ok_or_else(|| StoreError::Failed("the backup's name is not UTF-8".to_owned()))?;
        // Arrivals first: what moves into the journal meanwhile is in both.
        let arrivals = self.shared.arrivals.stored_after(Position::default(), usize::MAX >> 1, usize::MAX)?;
        // VACUUM refuses to run in a transaction; it reads one snapshot itself.
        self.shared.readers.with(|connection| Ok(connection.execute("VACUUM INTO ?1", [name])?))?;
        add_to_journal(&mut Connection::open(file)?, &arrivals)?;
        let problems = schema::integrity_problems(&schema::open_reader(file)?)?;
        match problems.first() {
            None => Ok(()),
            Some(problem) => Err(StoreError::Failed(format!("the copy is damaged: {problem}"))),
        }
    }
}

/// Moves the arrivals into the copy's journal, so that a service started on the copy assembles them.
fn add_to_journal(copy: &mut Connection, arrivals: &[StoredArrival]) -> Result<()> {
    let transaction = copy.transaction()?;
    transaction.execute("UPDATE incarnation SET is_copy = 1", [])?;
    let journaled = transaction.query_row(
        "SELECT max(position, (SELECT coalesce(max(position), 0) FROM journal)) FROM checkpoint",
        [],
        |row| row.get(0).map(Position),
    )?;
    let mut caches = WriterCaches::default();
    for received in arrivals.iter().filter(|received| received.position > journaled) {
        journal::add(&transaction, &mut caches, received)?;
    }
    Ok(transaction.commit()?)
}
