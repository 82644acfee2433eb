//! What `wholecall check` looks at. Damage is told of, and never keeps the rest from being read.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Position, Store, TenantId,
    assembled::Columns,
    calls::entries_of_call,
    changes::StoredChange,
    error::{Result, StoreError},
    journal::Entry,
    lately::Lately,
    recovery::{StoredCall, current, entries_of_session},
    schema, terms, visits,
};

/// A row of the journal.
#[derive(Debug)]
pub struct AuditedEntry {
    /// Its place.
    pub position: Position,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it holds, or why that cannot be read.
    pub entry: Result<Entry>,
}

/// A call as it is kept, all of it read at one connection.
#[derive(Debug)]
pub struct AuditedCall {
    /// Its number, to go on from.
    pub number: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: String,
    /// The version of its last record; 0 if there is none.
    pub version: u64,
    /// Its record and the notifications in it, or why they cannot be read.
    pub stored: Result<StoredCall>,
    /// What is wrong with how it is kept, apart from what its record says.
    pub problems: Vec<String>,
}

/// Notifications that no call claims.
#[derive(Debug)]
pub struct Stray {
    /// Whose they are.
    pub tenant: TenantId,
    /// In order of arrival.
    pub entries: Vec<Entry>,
}

/// So long after its last notification a call has its record, whatever it waits for.
const SETTLED_MS: i64 = 120_000;

impl Store {
    /// What SQLite finds wrong with the file; nothing if it is sound.
    pub fn file_problems(&self) -> Result<Vec<String>> {
        self.read(schema::integrity_problems)
    }

    /// How many notifications and how many calls there are.
    pub fn counts(&self) -> Result<(u64, u64)> {
        self.read(|connection| {
            let sql = "SELECT (SELECT count(*) FROM journal), (SELECT count(*) FROM calls)";
            let count = |row: &rusqlite::Row<'_>, index| row.get::<_, i64>(index).map(|count| count as u64);
            Ok(connection.query_row(sql, [], |row| Ok((count(row, 0)?, count(row, 1)?)))?)
        })
    }

    /// The next rows of the journal after a position.
    pub fn audit_journal(&self, after: Position, limit: usize) -> Result<Vec<AuditedEntry>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT position, tenant, arrived_ms, body FROM journal WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?;
            let mut rows = statement.query(params![after.0, limit as i64])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let (position, tenant) = (Position(row.get(0)?), TenantId(row.get(1)?));
                entries.push(AuditedEntry { position, tenant, entry: Entry::read(row) });
            }
            Ok(entries)
        })
    }

    /// The next calls after the one with that number; 0 is before the first.
    pub fn audit_calls(&self, after: i64, limit: usize) -> Result<Vec<AuditedCall>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT call, tenant, id FROM calls WHERE call > ?1 ORDER BY call LIMIT ?2",
            )?;
            let rows = statement
                .query_map(params![after, limit as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.map(|row| {
                let (number, tenant, id) = row?;
                audit_call(connection, number, TenantId(tenant), id)
            })
            .collect()
        })
    }

    /// What is wrong with the feed of changes as a whole: none may be missing, and a call's versions rise.
    pub fn feed_problems(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut problems = Vec::new();
            let (made, removed, last, there): (i64, i64, i64, i64) = connection.query_row(
                "SELECT cursor, removed, (SELECT coalesce(max(cursor), 0) FROM changes), (SELECT count(*) FROM changes)
                 FROM checkpoint",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            if last > made {
                problems.push(format!("the last change is {last}, but only {made} were made"));
            }
            if made - removed != there {
                problems.push(format!("{} changes should be there, {there} are", made - removed));
            }
            let mut statement = connection.prepare(
                "SELECT a.cursor FROM changes AS a
                 WHERE a.version > 0 AND EXISTS (SELECT 1 FROM changes AS b
                     WHERE b.call = a.call AND b.cursor < a.cursor AND b.version >= a.version)
                 ORDER BY a.cursor LIMIT 100",
            )?;
            let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
            for cursor in rows {
                problems.push(format!("change {} has no higher version than one before it", cursor?));
            }
            Ok(problems)
        })
    }

    /// Notifications that have been assembled and had time to settle, but that are no call's, by tenant. Text replies
    /// are such, and sessions that a link merely names.
    pub fn strays(&self) -> Result<Vec<Stray>> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT sessions.tenant, session FROM sessions LEFT JOIN calls USING (call)
                 WHERE calls.call IS NULL ORDER BY sessions.tenant, session",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (checkpoint, now_ms): (i64, i64) = connection.query_row(
                "SELECT position, coalesce((SELECT arrived_ms FROM journal ORDER BY position DESC LIMIT 1), 0)
                 FROM checkpoint",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let mut strays: Vec<Stray> = Vec::new();
            for row in rows {
                let (tenant, session) = row?;
                let entries = entries_of_session(connection, session, Position(i64::MAX))?;
                let settled =
                    |entry: &Entry| entry.position.0 <= checkpoint && entry.arrived_ms < now_ms - SETTLED_MS;
                if !entries.iter().all(settled) {
                    continue;
                }
                match strays.last_mut().filter(|stray| stray.tenant.0 == tenant) {
                    Some(stray) => stray.entries.extend(entries),
                    None => strays.push(Stray { tenant: TenantId(tenant), entries }),
                }
            }
            strays.iter_mut().for_each(|stray| stray.entries.sort_by_key(|entry| entry.position));
            Ok(strays)
        })
    }

    /// Forgets what a call is found by, so that its next version enters it anew. For a call whose terms are damaged:
    /// looks through all terms of all calls. Blocks.
    pub fn forget_terms(&self, call: &AuditedCall) -> Result<()> {
        let number = call.number;
        self.writer().run(move |transaction, memory| {
            memory.calls = Lately::default();
            transaction.execute("DELETE FROM call_terms WHERE call = ?1", [number])?;
            visits::remove(transaction, number)?;
            transaction.execute("UPDATE calls SET terms = x'' WHERE call = ?1", [number])?;
            Ok(())
        })
    }
}

fn audit_call(connection: &Connection, number: i64, tenant: TenantId, id: String) -> Result<AuditedCall> {
    let last: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT cursor, version FROM changes WHERE call = ?1 AND version > 0 ORDER BY cursor DESC LIMIT 1",
        )?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut problems = Vec::new();
    let stored = stored(connection, number, tenant);
    if let Ok((stored, cursor)) = &stored {
        if Some(*cursor) != last.map(|(cursor, _)| cursor) {
            problems.push("its current record is not its last version".to_owned());
        }
        if let Some(record) = &stored.record {
            let ours = kept_columns(connection, number, record)?;
            if !ours {
                problems.push("its columns do not say what its record says".to_owned());
            }
            match terms::problem(connection, tenant.0, number, record) {
                Ok(problem) => problems.extend(problem),
                Err(error) => problems.push(error.to_string()),
            }
            if !visits::are_those_of(connection, number, record)? {
                problems.push("its visits to queues are not those of its record".to_owned());
            }
        }
    }
    Ok(AuditedCall {
        number,
        tenant,
        id,
        version: last.map_or(0, |(_, version)| version as u64),
        stored: stored.map(|(stored, _)| stored),
        problems,
    })
}

/// A call with the notifications that are in its record.
pub(crate) fn stored(connection: &Connection, call: i64, tenant: TenantId) -> Result<(StoredCall, i64)> {
    let gone = || StoreError::Damaged("its current record is gone".to_owned());
    let (change, position, completed) = current(connection, call)?.ok_or_else(gone)?;
    let StoredChange { cursor, made_ms, record, .. } = change;
    let record = serde_json::from_str(&record)
        .map_err(|error| StoreError::Damaged(format!("its record cannot be read: {error}")))?;
    let mut entries = entries_of_call(connection, call)?;
    entries.retain(|entry| entry.position <= position);
    Ok((StoredCall { tenant, record: Some(record), made_ms, position, completed, entries }, cursor.0))
}

/// Whether the columns are those of the record.
fn kept_columns(connection: &Connection, call: i64, record: &wholecall_record::Call) -> Result<bool> {
    let columns = Columns::of(record);
    let completed = record.state != wholecall_record::call::State::Live;
    let sql = "SELECT count(*) FROM calls WHERE call = ?1 AND id = ?2 AND start_ms = ?3 AND end_ms = ?4 AND state = ?5
         AND direction = ?6 AND result = ?7 AND wait_ms = ?8 AND talk_ms = ?9 AND hold_ms = ?10 AND transfers = ?11
         AND completed >= ?12 AND end_state IS ?13";
    let same: i64 = connection.prepare_cached(sql)?.query_row(
        params![
            call,
            &*record.id,
            columns.start_ms,
            columns.end_ms,
            columns.state,
            columns.direction,
            columns.result,
            columns.wait_ms,
            columns.talk_ms,
            columns.hold_ms,
            columns.transfers,
            completed,
            columns.end_state,
        ],
        |row| row.get(0),
    )?;
    Ok(same == 1)
}
