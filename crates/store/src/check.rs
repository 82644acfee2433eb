//! The checks of `wholecall check`. Damage is reported and does not prevent the rest from being read.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Position, Store, TenantId,
    call_row::Columns,
    changes::StoredChange,
    codec,
    damage::{Damage, DamageLog, TolerantConnection},
    deliveries::DeliveryState,
    error::{Result, StoreError},
    journal_entries::{Entry, entries_of_session},
    queue_visits,
    recent_cache::RecentCache,
    schema, search_index,
    stored_call::{self, StoredCall, unreadable_entries},
};

/// A row of the journal.
#[derive(Debug)]
pub struct CheckedEntry {
    /// Its position.
    pub position: Position,
    /// The tenant.
    pub tenant: TenantId,
    /// The notification, or why it cannot be read.
    pub entry: Result<Entry>,
}

/// A stored call, read in one transaction.
#[derive(Debug)]
pub struct CheckedCall {
    /// Its number, with which the next page starts.
    pub number: i64,
    /// The tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: String,
    /// The version of its last record; 0 if there is none.
    pub version: u64,
    /// Its record and the notifications in it, or why they cannot be read.
    pub stored: Result<StoredCall>,
    /// Problems of its rows, apart from what its record says.
    pub problems: Vec<String>,
    /// Number of notifications in its record that cannot be read.
    pub unreadable: u64,
}

/// Notifications of a tenant that belong to no call.
#[derive(Debug)]
pub struct UnassignedNotifications {
    /// The tenant.
    pub tenant: TenantId,
    /// In order of arrival.
    pub entries: Vec<Entry>,
}

/// Minimum time after its last notification from which a call must have a record.
const SETTLED_AFTER_MS: i64 = 120_000;

impl Store {
    /// Problems that SQLite's integrity check finds in the files.
    pub fn file_problems(&self) -> Result<Vec<String>> {
        let mut problems = self.read(|connection| schema::integrity_problems(connection))?;
        problems.extend(self.shared.arrivals.file_problems()?);
        Ok(problems)
    }

    /// Problems of the journal as a whole: every position must have a notification unless it was removed.
    pub fn journal_problems(&self) -> Result<Vec<String>> {
        let (end, removed, there): (i64, i64, i64) = self.read(|connection| {
            let sql = "SELECT max(position, (SELECT coalesce(max(position), 0) FROM journal)), removed_notifications,
                 (SELECT count(*) FROM journal) FROM checkpoint";
            Ok(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
        })?;
        Ok(match end - removed - there {
            0 => Vec::new(),
            missing => vec![format!(
                "{} notifications are expected, {there} were found: {missing} are missing",
                end - removed
            )],
        })
    }

    /// The number of notifications and of calls.
    pub fn counts(&self) -> Result<(u64, u64)> {
        self.read(|connection| {
            let sql = "SELECT (SELECT count(*) FROM journal), (SELECT count(*) FROM calls)";
            let count = |row: &rusqlite::Row<'_>, index| row.get::<_, i64>(index).map(|count| count as u64);
            Ok(connection.query_row(sql, [], |row| Ok((count(row, 0)?, count(row, 1)?)))?)
        })
    }

    /// The next rows of the journal after a position.
    pub fn check_journal(&self, after: Position, limit: usize) -> Result<Vec<CheckedEntry>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT position, tenant, arrived_ms, body FROM journal WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?;
            let mut rows = statement.query(params![after.0, limit as i64])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let (position, tenant) = (Position(row.get(0)?), TenantId(row.get(1)?));
                entries.push(CheckedEntry { position, tenant, entry: Entry::read(row) });
            }
            Ok(entries)
        })
    }

    /// The next calls after a call number; 0 is before the first.
    pub fn check_calls(&self, after: i64, limit: usize) -> Result<Vec<CheckedCall>> {
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

    /// Reads everything that is not in a call's current record: the feed with all versions, directories, deliveries
    /// and attempts, rejected bodies, arrivals. Returns what cannot be read.
    pub fn check_rest(&self) -> Result<Vec<Damage>> {
        let damages = DamageLog::default();
        self.shared.readers.with(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let reader = TolerantConnection { connection: &snapshot, damages: &damages };
            audit_changes(&reader)?;
            audit_compressed(&reader, "rejected", "id, tenant, body", "rejected body")?;
            audit_compressed(&reader, "directories", "directory, tenant, contents", "directory")?;
            audit_texts(&reader)?;
            Ok(snapshot.finish()?)
        })?;
        self.shared.arrivals.audit(&damages)?;
        Ok(damages.take_unreported())
    }

    /// Moves unreadable versions that are not a call's current one from the feed to a table of their own; returns
    /// their number. Blocks.
    pub fn move_unreadable_changes(&self) -> Result<usize> {
        let damages = DamageLog::default();
        let unreadable: Vec<i64> = self.shared.readers.with(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let found = audit_changes(&TolerantConnection { connection: &snapshot, damages: &damages })?;
            snapshot.finish()?;
            Ok(found)
        })?;
        self.writer().run(move |transaction, caches| {
            let mut count = 0;
            for cursor in unreadable {
                let is_not_current = "cursor = ?1 AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.cursor = changes.cursor)";
                let copy = format!("INSERT OR REPLACE INTO unreadable_changes SELECT * FROM changes WHERE {is_not_current}");
                transaction.prepare_cached(&copy)?.execute([cursor])?;
                let delete = format!("DELETE FROM changes WHERE {is_not_current}");
                count += transaction.prepare_cached(&delete)?.execute([cursor])?;
                transaction
                    .prepare_cached("UPDATE deliveries SET state = 'exhausted', next_attempt_ms = NULL WHERE event = ?1 AND state = 'pending'")?
                    .execute([cursor])?;
            }
            transaction
                .prepare_cached("UPDATE checkpoint SET removed_changes = removed_changes + ?1")?
                .execute([count as i64])?;
            caches.data_epoch += u64::from(count > 0);
            Ok(count)
        })
    }

    /// Problems of the feed as a whole: no change may be missing, and a call's versions must rise.
    pub fn feed_problems(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut problems = Vec::new();
            let (created, removed, last, there): (i64, i64, i64, i64) = connection.query_row(
                "SELECT cursor, removed_changes, (SELECT coalesce(max(cursor), 0) FROM changes), (SELECT count(*) FROM changes)
                 FROM checkpoint",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            if last > created {
                problems.push(format!("the last change is {last}, but only {created} were created"));
            }
            if created - removed != there {
                problems.push(format!("{} changes are expected, {there} were found", created - removed));
            }
            let mut statement = connection.prepare(
                "SELECT a.cursor FROM changes AS a
                 WHERE a.version > 0 AND EXISTS (SELECT 1 FROM changes AS b
                     WHERE b.call = a.call AND b.cursor < a.cursor AND b.version >= a.version)
                 ORDER BY a.cursor LIMIT 100",
            )?;
            let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
            for cursor in rows {
                problems.push(format!("change {} does not have a higher version than an earlier change of its call", cursor?));
            }
            Ok(problems)
        })
    }

    /// Notifications that were assembled and belong to no call although they had time to settle, by tenant. Text
    /// replies are such, and sessions that only a link names.
    pub fn unassigned_notifications(&self) -> Result<Vec<UnassignedNotifications>> {
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
            let mut groups: Vec<UnassignedNotifications> = Vec::new();
            for row in rows {
                let (tenant, session) = row?;
                let entries = entries_of_session(connection, session, Position(i64::MAX))?;
                let settled = |entry: &Entry| {
                    entry.position.0 <= checkpoint && entry.arrived_ms < now_ms - SETTLED_AFTER_MS
                };
                if !entries.iter().all(settled) {
                    continue;
                }
                match groups.last_mut().filter(|group| group.tenant.0 == tenant) {
                    Some(group) => group.entries.extend(entries),
                    None => groups.push(UnassignedNotifications { tenant: TenantId(tenant), entries }),
                }
            }
            groups.iter_mut().for_each(|group| group.entries.sort_by_key(|entry| entry.position));
            Ok(groups)
        })
    }

    /// Removes the index entries of a call whose terms are damaged, so that its next version is indexed again. Reads
    /// all terms of all calls. Blocks.
    pub fn remove_index_entries(&self, call: &CheckedCall) -> Result<()> {
        let number = call.number;
        self.writer().run(move |transaction, caches| {
            caches.calls = RecentCache::default();
            transaction.execute("DELETE FROM call_terms WHERE call = ?1", [number])?;
            queue_visits::remove(transaction, number)?;
            transaction.execute("UPDATE calls SET terms = x'' WHERE call = ?1", [number])?;
            Ok(())
        })
    }
}

/// Reads every change; returns those that cannot be read.
fn audit_changes(reader: &TolerantConnection<'_>) -> Result<Vec<i64>> {
    let mut statement = reader
        .prepare("SELECT cursor, kind, version, created_ms, record, tenant FROM changes ORDER BY cursor")?;
    let mut rows = statement.query([])?;
    let mut unreadable = Vec::new();
    while let Some(row) = rows.next()? {
        let read = StoredChange::read(row).and_then(|change| match change.version {
            0 => change.json(),
            _ => change.call().map(drop),
        });
        let cursor: i64 = row.get(0)?;
        if reader.skip_damaged(read, row.get(5)?, || format!("change {cursor}"))?.is_none() {
            unreadable.push(cursor);
        }
    }
    Ok(unreadable)
}

/// Reads the compressed text of each row of a table, from the columns number, tenant and text.
fn audit_compressed(reader: &TolerantConnection<'_>, table: &str, columns: &str, what: &str) -> Result<()> {
    let mut statement = reader.prepare(&format!("SELECT {columns} FROM {table}"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let packed = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from).map_err(StoreError::from);
        let read = packed.and_then(codec::unpack);
        reader.skip_damaged(read, row.get(1)?, || format!("{what} {number}"))?;
    }
    Ok(())
}

/// Reads the columns that contain JSON.
fn audit_texts(reader: &TolerantConnection<'_>) -> Result<()> {
    let texts = [
        ("SELECT tenant, tenant, settings FROM tenants", "settings of tenant"),
        ("SELECT endpoint, tenant, settings FROM endpoints", "settings of endpoint"),
        ("SELECT notice, tenant, data FROM notices", "notice"),
        ("SELECT gap, tenant, missing_sessions FROM gaps", "gap"),
        ("SELECT account, tenant, state FROM connections", "connection to account"),
    ];
    for (sql, what) in texts {
        let mut statement = reader.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: rusqlite::types::Value = row.get(0)?;
            let text = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from).map_err(StoreError::from);
            let read = text.and_then(|text| {
                serde_json::from_str::<serde::de::IgnoredAny>(text)
                    .map_err(|error| StoreError::Damaged(format!("it cannot be read: {error}")))
            });
            reader.skip_damaged(read, row.get(1)?, || match number {
                rusqlite::types::Value::Text(name) => format!("{what} {name}"),
                rusqlite::types::Value::Integer(number) => format!("{what} number {number}"),
                _ => what.to_owned(),
            })?;
        }
    }
    let states = "SELECT event, endpoints.tenant, state FROM deliveries JOIN endpoints USING (endpoint)";
    let mut statement = reader.prepare(states)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let event: i64 = row.get(0)?;
        let state: String = row.get(2)?;
        let read = DeliveryState::from_word(&state)
            .ok_or_else(|| StoreError::Damaged(format!("a delivery in the unknown state {state:?}")));
        reader.skip_damaged(read, row.get(1)?, || format!("delivery of event {event}"))?;
    }
    Ok(())
}

fn audit_call(
    connection: &TolerantConnection<'_>,
    number: i64,
    tenant: TenantId,
    id: String,
) -> Result<CheckedCall> {
    let last: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT cursor, version FROM changes WHERE call = ?1 AND version > 0 ORDER BY cursor DESC LIMIT 1",
        )?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut problems = Vec::new();
    let stored = stored_call::with_included_entries(connection, number, tenant);
    let mut unreadable = 0;
    if let Ok((stored, cursor)) = &stored {
        unreadable = unreadable_entries(connection, number, stored.position, &stored.entries)?;
        if Some(*cursor) != last.map(|(cursor, _)| cursor) {
            problems.push("its current record is not its last version".to_owned());
        }
        if let Some(record) = &stored.record {
            let agrees = columns_agree(connection, number, record)?;
            if !agrees {
                problems.push("its columns differ from its record".to_owned());
            }
            match search_index::find_problem(connection, tenant.0, number, record) {
                Ok(problem) => problems.extend(problem),
                Err(error) => problems.push(error.to_string()),
            }
            if !queue_visits::match_record(connection, number, record)? {
                problems.push("its queue visits differ from its record".to_owned());
            }
        }
    }
    Ok(CheckedCall {
        number,
        tenant,
        id,
        version: last.map_or(0, |(_, version)| version as u64),
        stored: stored.map(|(stored, _)| stored),
        problems,
        unreadable,
    })
}

/// Whether the columns agree with the record.
fn columns_agree(connection: &Connection, call: i64, record: &wholecall_record::Call) -> Result<bool> {
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
