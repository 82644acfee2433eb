//! Erasure of persons: the only code that modifies journal entries and published versions in place.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use tokio::sync::watch;
use wholecall_record::Call;

use crate::{
    Backup, DisabledReason, EndpointSettings, Filter, Position, Store, TenantId, TenantView, announcements,
    audit_log::{AuditAction, note},
    call_row::Columns,
    changes::{self, ChangeKind, StoredChange},
    codec::{self, Kind},
    damage::TolerantConnection,
    endpoints,
    error::{Result, StoreError},
    journal_entries::{Entry, entries_of_call},
    recent_cache::RecentCache,
    search_index::{self, IndexEntry, TermKind},
    stored_call,
    writer_caches::WriterCaches,
};

/// Everything stored of a call, or of no call. A rewrite may change bodies and records, nothing else.
#[derive(Debug, Clone, Default)]
pub struct StoredHistory {
    /// Its notifications, in order of arrival.
    pub entries: Vec<Entry>,
    /// Its versions, oldest first; the last is the current one.
    pub versions: Vec<StoredChange>,
    /// The journal position up to which the current version includes notifications.
    pub position: Position,
    /// Number of rows that cannot be read and are in neither list.
    pub unreadable: u64,
    /// Number of places where the person's data had to remain; counted by the rewrite.
    pub left: u64,
}

/// The result of a rewrite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Number of notifications that were changed.
    pub notifications: u64,
    /// Whether anything was changed.
    pub changed: bool,
    /// Number of rows that could not be read.
    pub unreadable: u64,
    /// Number of places where the person's data had to remain.
    pub left: u64,
}

/// A completed erasure.
#[derive(Debug, Clone, Default)]
pub struct Erasure {
    /// The tenant.
    pub tenant: TenantId,
    /// When it was done, milliseconds since 1970.
    pub erased_ms: i64,
    /// The pseudonym that replaces the number.
    pub pseudonym: String,
    /// Number of calls that were changed.
    pub calls: u64,
    /// Number of notifications that were changed.
    pub notifications: u64,
    /// Ids of endpoints whose settings contained the person's data: returned to the caller, not logged.
    pub endpoints: Vec<String>,
    /// Number of rows that could not be read, and so were not rewritten.
    pub unreadable: u64,
    /// Number of places where the number is part of an id, and remains.
    pub left: u64,
    /// Earlier backups, which still contain the person's data.
    pub backups: Vec<Backup>,
}

/// Minimum number of digits from which a number may match the end of a longer one.
const MIN_NUMBER_DIGITS: usize = 7;

/// Number of journal rows that are read in one transaction.
const READ_PAGE_ROWS: i64 = 2_000;

impl TenantView {
    /// The numbers of the calls in which a telephone number took part, in any version and in any spelling that a
    /// search matches.
    pub fn calls_with_number(&self, number: &str) -> Result<Vec<i64>> {
        let Some(digits) = search_index::reversed_digits(number) else { return Ok(Vec::new()) };
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(
                "SELECT call, value FROM terms JOIN call_terms USING (term)
                 WHERE tenant = ?1 AND kind = ?2 AND value >= ?3 AND value < ?4",
            )?;
            // Terms have the last digit first, so equal ends are equal prefixes; ':' is the character after '9'.
            let first = &digits[..digits.len().min(MIN_NUMBER_DIGITS)];
            let range = params![tenant, TermKind::Number.as_str(), first, format!("{first}:")];
            let mut rows = statement.query(range)?;
            let mut calls = BTreeSet::new();
            while let Some(row) = rows.next()? {
                let written: String = row.get_ref(1)?.as_str().unwrap_or_default().chars().rev().collect();
                if (Filter { number: Some(written), ..Filter::default() }).names(number) {
                    calls.insert(row.get(0)?);
                }
            }
            Ok(calls.into_iter().collect())
        })
    }

    /// The numbers of the calls that have a notification after a journal position for condition `has` returns `true`, and
    /// the position up to which was read. Reads all of the tenant's notifications from there on, in portions.
    pub fn calls_of_notifications(
        &self,
        after: Position,
        mut has: impl FnMut(&str) -> bool,
    ) -> Result<(Vec<i64>, Position)> {
        let (mut sessions, mut after) = (BTreeSet::new(), after);
        loop {
            let count = self.read(|connection, tenant| {
                let mut statement = connection.prepare_cached(
                    "SELECT position, tenant, arrived_ms, body, session FROM journal WHERE position > ?1
                     ORDER BY position LIMIT ?2",
                )?;
                let mut rows = statement.query([after.0, READ_PAGE_ROWS])?;
                let mut count = 0;
                while let Some(row) = rows.next()? {
                    (count, after) = (count + 1, Position(row.get(0)?));
                    if row.get::<_, i64>(1)? != tenant {
                        continue;
                    }
                    let session: i64 = row.get(4)?;
                    let entry = Entry::read_or_skip(connection, row)?;
                    if entry.is_some_and(|entry| !sessions.contains(&session) && has(&entry.body)) {
                        sessions.insert(session);
                    }
                }
                Ok(count)
            })?;
            if count < READ_PAGE_ROWS {
                break;
            }
        }
        let calls = self.read(|connection, _| {
            let mut statement = connection.prepare_cached("SELECT call FROM sessions WHERE session = ?1")?;
            let mut calls = Vec::new();
            for session in sessions {
                let call: Option<Option<i64>> =
                    statement.query_row([session], |row| row.get(0)).optional()?;
                calls.extend(call.flatten());
            }
            Ok(calls)
        })?;
        Ok((calls, after))
    }

    /// The numbers of the calls in which an extension took part, in any version.
    pub fn calls_with_extension(&self, extension_id: &str) -> Result<Vec<i64>> {
        self.calls_with(TermKind::Extension, extension_id)
    }

    fn calls_with(&self, kind: TermKind, value: &str) -> Result<Vec<i64>> {
        self.read(|connection, tenant| {
            let Some(term) = search_index::find_term(connection, tenant, kind, value)? else {
                return Ok(Vec::new());
            };
            let mut statement = connection.prepare_cached("SELECT call FROM call_terms WHERE term = ?1")?;
            let rows = statement.query_map([term], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The salt from which the key of the tenant's pseudonyms is derived.
    pub fn pseudonym_salt(&self) -> Result<Vec<u8>> {
        self.read(|connection, tenant| {
            let salt = "SELECT pseudonym_salt FROM tenants WHERE tenant = ?1";
            Ok(connection.prepare_cached(salt)?.query_row([tenant], |row| row.get(0))?)
        })
    }
}

impl Store {
    /// Watches the number of times that stored data was rewritten or removed. Readers with copies read them again
    /// when it rises.
    pub fn watch_data_epoch(&self) -> watch::Receiver<u64> {
        self.shared.signals.data_epoch.subscribe()
    }

    /// Rewrites a call in place. The change is published with [`Store::announce`]. Blocks.
    pub fn rewrite_call(
        &self,
        tenant: TenantId,
        call: i64,
        rewrite: impl FnOnce(&mut StoredHistory) + Send + 'static,
    ) -> Result<Rewritten> {
        self.writer().run(move |transaction, caches| {
            set_secure_delete(transaction, true)?;
            let mut history = StoredHistory {
                entries: entries_of_call(&caches.tolerant(transaction), call)?,
                versions: versions(&caches.tolerant(transaction), tenant, "call = ?1 AND version > 0", call)?,
                position: transaction
                    .prepare_cached("SELECT position FROM calls WHERE call = ?1")?
                    .query_row([call], |row| row.get(0).map(Position))?,
                ..StoredHistory::default()
            };
            let count = "SELECT count(*) FROM changes WHERE call = ?1 AND version > 0";
            let stored: i64 = transaction.prepare_cached(count)?.query_row([call], |row| row.get(0))?;
            history.unreadable = stored.unsigned_abs().saturating_sub(history.versions.len() as u64)
                + stored_call::unreadable_entries(transaction, call, Position(i64::MAX), &history.entries)?;
            let before = history.clone();
            rewrite(&mut history);
            let (entries, records) = write(transaction, &before, &history)?;
            if records {
                caches.data_epoch += 1;
                clear_answers(transaction, tenant, Some(call))?;
                reindex(transaction, caches, tenant, call, &history)?;
                note_erased_call(transaction, tenant, call, &history)?;
            }
            set_secure_delete(transaction, false)?;
            Ok(Rewritten {
                notifications: entries,
                changed: records || entries > 0,
                unreadable: history.unreadable,
                left: history.left,
            })
        })
    }

    /// Rewrites a tenant's data that belongs to no call: notifications without a call, versions of calls that were
    /// merged away, rejected bodies. Blocks; reads all of the tenant's sessions and changes.
    pub fn rewrite_unassigned(
        &self,
        tenant: TenantId,
        rewrite: impl Fn(&mut StoredHistory) + Send + 'static,
    ) -> Result<Rewritten> {
        self.writer().run(move |transaction, caches| {
            set_secure_delete(transaction, true)?;
            let unassigned =
                "tenant = ?1 AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.call = changes.call)";
            let mut history = StoredHistory {
                entries: unassigned_entries(&caches.tolerant(transaction), tenant)?,
                versions: versions(
                    &caches.tolerant(transaction),
                    tenant,
                    &format!("{unassigned} AND version > 0"),
                    tenant.0,
                )?,
                ..StoredHistory::default()
            };
            let before = history.clone();
            rewrite(&mut history);
            let (entries, records) = write(transaction, &before, &history)?;
            if records {
                caches.data_epoch += 1;
                clear_answers(transaction, tenant, None)?;
            }
            clear_shared_answers(transaction, tenant)?;
            let mut statement = transaction
                .prepare("SELECT id, tenant, arrived_ms, body, reason FROM rejected WHERE tenant = ?1")?;
            let mut rows = statement.query([tenant.0])?;
            while let Some(row) = rows.next()? {
                let Some(entry) = rejected_body(&caches.tolerant(transaction), row)? else {
                    history.unreadable += 1;
                    continue;
                };
                // A reason may quote the body.
                let reason = Entry { body: row.get(4)?, ..entry.clone() };
                let mut rejected = StoredHistory { entries: vec![entry, reason], ..StoredHistory::default() };
                let before = rejected.entries.clone();
                rewrite(&mut rejected);
                history.left += rejected.left;
                let [entry, reason] = &rejected.entries[..] else { continue };
                if entry.body == before[0].body && reason.body == before[1].body {
                    continue;
                }
                let body = codec::pack(Kind::Notification, entry.body.as_bytes())?;
                transaction
                    .prepare_cached("UPDATE rejected SET body = ?2, reason = ?3 WHERE id = ?1")?
                    .execute(params![entry.position.0, body, reason.body])?;
            }
            set_secure_delete(transaction, false)?;
            let changed = records || entries > 0;
            Ok(Rewritten {
                notifications: entries,
                changed,
                unreadable: history.unreadable,
                left: history.left,
            })
        })
    }

    /// Rewrites the settings of a tenant's endpoints; returns the ids of those that changed. An endpoint whose
    /// address changed is disabled, because its owner never asked for deliveries to the new one. Blocks.
    pub fn rewrite_endpoints(
        &self,
        tenant: TenantId,
        rewrite: impl Fn(&mut EndpointSettings) + Send + 'static,
    ) -> Result<Vec<String>> {
        self.change_configuration(move |transaction, caches| {
            set_secure_delete(transaction, true)?;
            let mut changed = Vec::new();
            for endpoint in endpoints::select(&caches.tolerant(transaction), "tenant = ?1", tenant.0)? {
                let mut settings = endpoint.settings.clone();
                rewrite(&mut settings);
                if settings == endpoint.settings {
                    continue;
                }
                let disabled = (settings.url != endpoint.settings.url).then_some(DisabledReason::Erased.as_str());
                transaction
                    .prepare_cached(
                        "UPDATE endpoints SET settings = ?2, disabled = coalesce(disabled, ?3) WHERE endpoint = ?1",
                    )?
                    .execute(params![endpoint.number.0, endpoints::to_json(&settings)?, disabled])?;
                changed.push(endpoint.id);
            }
            set_secure_delete(transaction, false)?;
            Ok(changed)
        })
    }

    /// Stores an erasure, and removes the old data physically from the write-ahead logs and from `arrivals.db`.
    /// Blocks.
    pub fn log_erasure(&self, erasure: Erasure) -> Result<()> {
        let who = self.who.clone();
        self.writer().run(move |transaction, caches| {
            caches.must_truncate_wal = true;
            transaction.execute(
                "INSERT INTO erasures (tenant, erased_ms, pseudonym, calls, notifications) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    erasure.tenant.0,
                    erasure.erased_ms,
                    erasure.pseudonym,
                    erasure.calls as i64,
                    erasure.notifications as i64
                ],
            )?;
            note(transaction, &who, Some(erasure.tenant.0), AuditAction::PersonErase, &erasure.pseudonym)
        })?;
        self.shared.arrivals.purge()
    }
}

/// Removes receivers' answers to the events of a call, because they may repeat its data; without a call, the answers
/// to events of calls that no longer exist.
fn clear_answers(transaction: &Transaction<'_>, tenant: TenantId, call: Option<i64>) -> Result<()> {
    let events = match call {
        Some(_) => "call = ?2",
        None => {
            "tenant = ?1 AND ?2 IS NULL AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.call = changes.call)"
        }
    };
    transaction
        .prepare_cached(&format!(
            "UPDATE attempts SET answer = NULL
             WHERE endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)
                 AND event IN (SELECT cursor FROM changes WHERE {events})"
        ))?
        .execute(params![tenant.0, call])?;
    Ok(())
}

/// A request may have carried several events, and its answer repeat any of them: an answer that was removed for one
/// event is removed for all.
fn clear_shared_answers(transaction: &Transaction<'_>, tenant: TenantId) -> Result<()> {
    let own = "endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)";
    transaction
        .prepare_cached(&format!(
            "UPDATE attempts SET answer = NULL
             WHERE {own} AND answer IS NOT NULL AND (endpoint, started_ms, duration_ms) IN (
                 SELECT endpoint, started_ms, duration_ms FROM attempts WHERE {own} AND answer IS NULL)"
        ))?
        .execute([tenant.0])?;
    Ok(())
}

/// Sets whether freed pages are overwritten. That costs time, and is needed only for an erasure.
pub(crate) fn set_secure_delete(transaction: &Transaction<'_>, enabled: bool) -> Result<()> {
    let mode = if enabled { "ON" } else { "FAST" };
    Ok(transaction.pragma_update_and_check(None, "secure_delete", mode, |_| Ok(()))?)
}

fn versions(
    reader: &TolerantConnection<'_>,
    tenant: TenantId,
    condition: &str,
    value: i64,
) -> Result<Vec<StoredChange>> {
    let sql = format!("SELECT {} FROM changes WHERE {condition} ORDER BY cursor", changes::COLUMNS);
    let mut statement = reader.prepare_cached(&sql)?;
    let mut rows = statement.query([value])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        versions.extend(StoredChange::read_or_skip(reader, tenant.0, row)?);
    }
    Ok(versions)
}

/// A rejected body, from the columns id, tenant, arrival time and body. Invalid UTF-8 is replaced, but written back
/// only if the rest changes.
fn rejected_body(reader: &TolerantConnection<'_>, row: &Row<'_>) -> Result<Option<Entry>> {
    let (position, tenant) = (row.get(0)?, row.get(1)?);
    let body = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from).map_err(StoreError::from);
    let body = body.and_then(codec::unpack);
    let body = reader.skip_damaged(body, tenant, || format!("rejected body {position}"))?;
    Ok(body.map(|body| Entry {
        position: Position(position),
        tenant: TenantId(tenant),
        arrived_ms: 0,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}

fn unassigned_entries(reader: &TolerantConnection<'_>, tenant: TenantId) -> Result<Vec<Entry>> {
    let mut statement = reader.prepare(
        "SELECT journal.position, journal.tenant, arrived_ms, body
         FROM sessions LEFT JOIN calls USING (call) JOIN journal USING (session)
         WHERE sessions.tenant = ?1 AND calls.call IS NULL ORDER BY journal.position",
    )?;
    let mut rows = statement.query([tenant.0])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.extend(Entry::read_or_skip(reader, row)?);
    }
    Ok(entries)
}

/// Writes changed bodies and records in place; returns the number of notifications, and whether any record changed.
fn write(
    transaction: &Transaction<'_>,
    before: &StoredHistory,
    after: &StoredHistory,
) -> Result<(u64, bool)> {
    let mut entries = 0;
    for (old, new) in before.entries.iter().zip(&after.entries).filter(|(old, new)| old.body != new.body) {
        let body = codec::pack(Kind::Notification, new.body.as_bytes())?;
        transaction
            .prepare_cached("UPDATE journal SET body = ?2 WHERE position = ?1")?
            .execute(params![old.position.0, body])?;
        entries += 1;
    }
    let mut records = false;
    for (old, new) in
        before.versions.iter().zip(&after.versions).filter(|(old, new)| old.record != new.record)
    {
        let record = codec::pack(Kind::Record, new.record.as_bytes())?;
        transaction
            .prepare_cached("UPDATE changes SET record = ?2 WHERE cursor = ?1")?
            .execute(params![old.cursor.0, record])?;
        records = true;
    }
    Ok((entries, records))
}

fn note_erased_call(
    transaction: &Transaction<'_>,
    tenant: TenantId,
    call: i64,
    history: &StoredHistory,
) -> Result<()> {
    let Some(current) = history.versions.last() else { return Ok(()) };
    let id: String = transaction
        .prepare_cached("SELECT id FROM calls WHERE call = ?1")?
        .query_row([call], |row| row.get(0))?;
    announcements::note(transaction, tenant, ChangeKind::Erased, &id, current.version)
}

/// Replaces the index entries of a call by those of its rewritten versions.
fn reindex(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    tenant: TenantId,
    call: i64,
    history: &StoredHistory,
) -> Result<()> {
    let (start_ms, encoded_terms): (i64, Vec<u8>) = transaction
        .prepare_cached("SELECT start_ms, terms FROM calls WHERE call = ?1")?
        .query_row([call], |row| Ok((row.get(0)?, row.get(1)?)))?;
    caches.calls = RecentCache::default();
    let old = search_index::decode_terms(&encoded_terms)?;
    search_index::remove(transaction, call, start_ms, &old)?;
    let mut before: Option<(i64, Vec<i64>)> = None;
    for version in &history.versions {
        let record = serde_json::from_str(&version.record)
            .map_err(|error| StoreError::Damaged(format!("its record cannot be read: {error}")));
        let place = || format!("change {}", version.cursor.0);
        let record: Option<Call> = caches.damages.skip_damaged(record, Some(tenant.0), place)?;
        let Some(record) = record else { continue };
        let start_ms = Columns::of(&record).start_ms;
        let entry = IndexEntry {
            tenant: tenant.0,
            call,
            start_ms,
            before: before.as_ref().map(|(start, terms)| (*start, &terms[..])),
            was_completed: true,
        };
        let terms = search_index::upsert(transaction, &mut caches.terms, &entry, &record)?;
        before = Some((start_ms, terms));
    }
    search_index::delete_orphaned_terms(transaction, &mut caches.terms, &old)?;
    let all = before.map_or_else(Vec::new, |(_, terms)| search_index::encode_terms(&terms));
    transaction.prepare_cached("UPDATE calls SET terms = ?2 WHERE call = ?1")?.execute(params![call, all])?;
    Ok(())
}
