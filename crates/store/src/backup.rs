//! A copy of everything, as of one moment, while others go on reading and writing.

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use rusqlite::Connection;

use crate::{
    Position, Store,
    arrivals::Received,
    error::{Result, StoreError},
    journal, schema,
    writer::Memory,
};

impl Store {
    /// Copies everything to a new file, as of one moment, and reads the copy back. Returns its length in bytes. Blocks.
    pub fn backup(&self, file: &Path) -> Result<u64> {
        let failed =
            |error: std::io::Error| StoreError::Open { path: file.to_owned(), problem: error.to_string() };
        // Made here, so that no file is ever written over.
        let copy = OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
        let written = self.copy_to(file).and_then(|()| {
            copy.sync_all().map_err(failed)?;
            copy.metadata().map_err(failed)
        });
        match written {
            Ok(about) => Ok(about.len()),
            Err(error) => {
                // What is not whole is no backup.
                let _ = fs::remove_file(file);
                Err(error)
            }
        }
    }

    fn copy_to(&self, file: &Path) -> Result<()> {
        let name =
            file.to_str().ok_or_else(|| StoreError::Failed("the backup's name is not UTF-8".to_owned()))?;
        // Before the rest: what moves into the journal meanwhile is in both.
        let arrived = self.shared.arrivals.stored_after(Position::default(), usize::MAX >> 1, usize::MAX)?;
        // Not within a transaction, which VACUUM refuses; it sees one moment itself.
        self.shared.readers.with(|connection| Ok(connection.execute("VACUUM INTO ?1", [name])?))?;
        add_to_journal(&mut Connection::open(file)?, &arrived)?;
        let problems = schema::integrity_problems(&schema::open_reader(file)?)?;
        match problems.first() {
            None => Ok(()),
            Some(problem) => Err(StoreError::Failed(format!("the copy is not sound: {problem}"))),
        }
    }
}

/// What had arrived and was not assembled becomes part of the copy's journal: whoever goes on from there assembles it.
fn add_to_journal(copy: &mut Connection, arrived: &[Received]) -> Result<()> {
    let transaction = copy.transaction()?;
    let journaled = transaction.query_row(
        "SELECT max(position, (SELECT coalesce(max(position), 0) FROM journal)) FROM checkpoint",
        [],
        |row| row.get(0).map(Position),
    )?;
    let mut memory = Memory::default();
    for received in arrived.iter().filter(|received| received.position > journaled) {
        journal::add(&transaction, &mut memory, received)?;
    }
    Ok(transaction.commit()?)
}
