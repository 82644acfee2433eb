//! Writing anew, in place, what is kept of a person: the one exception from what was kept being never changed.

use rusqlite::{Transaction, params};
use tokio::sync::watch;
use wholecall_record::Call;

use crate::{
    Disabled, EndpointSettings, Position, Store, TenantId, TenantView, announcements,
    assembled::Columns,
    calls::entries_of_call,
    changes::{self, ChangeKind, StoredChange},
    codec::{self, Kind},
    endpoints,
    error::{Result, StoreError},
    journal::Entry,
    lately::Lately,
    terms::{self, Place, TermKind},
    writer::Memory,
};

/// Everything that is kept of a call, or of no call. Bodies and records may be changed, nothing else.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Its notifications, in order of arrival.
    pub entries: Vec<Entry>,
    /// Its versions, oldest first; the last is the current one.
    pub versions: Vec<StoredChange>,
    /// Up to where the journal is in the current one.
    pub position: Position,
}

/// That a person was erased.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// Whose calls the person took part in.
    pub tenant: TenantId,
    /// When, milliseconds since 1970.
    pub erased_ms: i64,
    /// What stands for the number now.
    pub pseudonym: String,
    /// In how many calls.
    pub calls: u64,
    /// In how many notifications.
    pub notifications: u64,
    /// Endpoints, by their ids, in whose settings the person stood: for whoever asked, not for the log.
    pub endpoints: Vec<String>,
}

impl TenantView {
    /// The numbers of the calls in any version of which a telephone number took part.
    pub fn calls_with_number(&self, number: &str) -> Result<Vec<i64>> {
        match terms::reversed_digits(number) {
            Some(digits) => self.calls_with(TermKind::Number, &digits),
            None => Ok(Vec::new()),
        }
    }

    /// The numbers of the calls in any version of which an extension took part.
    pub fn calls_with_extension(&self, extension_id: &str) -> Result<Vec<i64>> {
        self.calls_with(TermKind::Extension, extension_id)
    }

    fn calls_with(&self, kind: TermKind, value: &str) -> Result<Vec<i64>> {
        self.read(|connection, tenant| {
            let Some(term) = terms::find(connection, tenant, kind, value)? else {
                return Ok(Vec::new());
            };
            let mut statement = connection.prepare_cached("SELECT call FROM call_terms WHERE term = ?1")?;
            let rows = statement.query_map([term], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The key of the tenant's pseudonyms.
    pub fn pseudonym_key(&self) -> Result<Vec<u8>> {
        self.read(|connection, tenant| {
            let key = "SELECT pseudonym_key FROM tenants WHERE tenant = ?1";
            Ok(connection.prepare_cached(key)?.query_row([tenant], |row| row.get(0))?)
        })
    }
}

impl Store {
    /// How often something that was kept was rewritten or removed. Whoever holds copies of it reads them again then.
    pub fn watch_rewrites(&self) -> watch::Receiver<u64> {
        self.shared.news.rewrites.subscribe()
    }

    /// Writes a call anew; tells how many notifications changed and whether anything did. The feed says of which calls a
    /// record changed once that is announced ([`Store::announce`]). Blocks.
    pub fn rewrite_call(
        &self,
        tenant: TenantId,
        call: i64,
        rewrite: impl FnOnce(&mut Kept) + Send + 'static,
    ) -> Result<(u64, bool)> {
        self.writer().run(move |transaction, memory| {
            wipe(transaction, true)?;
            let mut kept = Kept {
                entries: entries_of_call(transaction, call)?,
                versions: versions(transaction, "call = ?1 AND version > 0", call)?,
                position: transaction
                    .prepare_cached("SELECT position FROM calls WHERE call = ?1")?
                    .query_row([call], |row| row.get(0).map(Position))?,
            };
            let before = kept.clone();
            rewrite(&mut kept);
            let (entries, records) = write(transaction, &before, &kept)?;
            if records {
                memory.rewrites += 1;
                forget_answers(transaction, tenant, Some(call))?;
                enter_anew(transaction, memory, tenant, call, &kept)?;
                note_erasure(transaction, tenant, call, &kept)?;
            }
            wipe(transaction, false)?;
            Ok((entries, records || entries > 0))
        })
    }

    /// Writes anew what is kept of a tenant and is no call's: notifications that make none, versions of calls that are
    /// part of others now, bodies that were refused. Tells how many notifications changed. Blocks; looks through all of
    /// the tenant's sessions and changes.
    pub fn rewrite_unclaimed(
        &self,
        tenant: TenantId,
        rewrite: impl Fn(&mut Kept) + Send + 'static,
    ) -> Result<u64> {
        self.writer().run(move |transaction, memory| {
            wipe(transaction, true)?;
            let unclaimed =
                "tenant = ?1 AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.call = changes.call)";
            let mut kept = Kept {
                entries: unclaimed_entries(transaction, tenant)?,
                versions: versions(transaction, &format!("{unclaimed} AND version > 0"), tenant.0)?,
                position: Position::default(),
            };
            let before = kept.clone();
            rewrite(&mut kept);
            let (entries, records) = write(transaction, &before, &kept)?;
            if records {
                memory.rewrites += 1;
                forget_answers(transaction, tenant, None)?;
            }
            forget_shared_answers(transaction, tenant)?;
            let mut statement = transaction
                .prepare("SELECT position, tenant, arrived_ms, body FROM quarantine WHERE tenant = ?1")?;
            let mut rows = statement.query([tenant.0])?;
            while let Some(row) = rows.next()? {
                // What is no text names nobody that could be found.
                let Ok(entry) = Entry::read(row) else { continue };
                let mut refused = Kept { entries: vec![entry], ..Kept::default() };
                let before = refused.entries[0].body.clone();
                rewrite(&mut refused);
                let Some(entry) = refused.entries.first().filter(|entry| entry.body != before) else {
                    continue;
                };
                let body = codec::pack(Kind::Notification, entry.body.as_bytes())?;
                transaction
                    .prepare_cached("UPDATE quarantine SET body = ?2 WHERE position = ?1")?
                    .execute(params![entry.position.0, body])?;
            }
            wipe(transaction, false)?;
            Ok(entries)
        })
    }

    /// Writes the settings of a tenant's endpoints anew; tells which have changed, by their ids. One whose address has is
    /// disabled: nobody has said that anything is to be sent where it leads now. Blocks.
    pub fn rewrite_endpoints(
        &self,
        tenant: TenantId,
        rewrite: impl Fn(&mut EndpointSettings) + Send + 'static,
    ) -> Result<Vec<String>> {
        self.change_tenants(move |transaction, _| {
            wipe(transaction, true)?;
            let mut changed = Vec::new();
            for endpoint in endpoints::select(transaction, "tenant = ?1", tenant.0)? {
                let mut settings = endpoint.settings.clone();
                rewrite(&mut settings);
                if settings == endpoint.settings {
                    continue;
                }
                let disabled = (settings.url != endpoint.settings.url).then_some(Disabled::Erased.as_str());
                transaction
                    .prepare_cached(
                        "UPDATE endpoints SET settings = ?2, disabled = coalesce(disabled, ?3) WHERE endpoint = ?1",
                    )?
                    .execute(params![endpoint.number.0, endpoints::to_json(&settings)?, disabled])?;
                changed.push(endpoint.id);
            }
            wipe(transaction, false)?;
            Ok(changed)
        })
    }

    /// Notes that a person was erased, and wipes what was there before from the log that transactions go through, and from
    /// where it had arrived. Blocks.
    pub fn log_erasure(&self, erasure: Erasure) -> Result<()> {
        self.writer().run(move |transaction, memory| {
            memory.must_empty_log = true;
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
            Ok(())
        })?;
        self.shared.arrivals.wipe()
    }
}

/// What receivers answered to the events of a call may repeat what they were told; of no call: to those of none.
fn forget_answers(transaction: &Transaction<'_>, tenant: TenantId, call: Option<i64>) -> Result<()> {
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

/// A request may have told of several events, and its answer repeat any of them: what was forgotten for one of them is
/// forgotten for all.
fn forget_shared_answers(transaction: &Transaction<'_>, tenant: TenantId) -> Result<()> {
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

/// Whether pages that are given up are wiped from the file as well: not worth its time but for a person.
pub(crate) fn wipe(transaction: &Transaction<'_>, wipe: bool) -> Result<()> {
    let mode = if wipe { "ON" } else { "FAST" };
    Ok(transaction.pragma_update_and_check(None, "secure_delete", mode, |_| Ok(()))?)
}

fn versions(transaction: &Transaction<'_>, which: &str, value: i64) -> Result<Vec<StoredChange>> {
    let sql = format!("SELECT {} FROM changes WHERE {which} ORDER BY cursor", changes::COLUMNS);
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query([value])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        versions.push(StoredChange::read(row)?);
    }
    Ok(versions)
}

fn unclaimed_entries(transaction: &Transaction<'_>, tenant: TenantId) -> Result<Vec<Entry>> {
    let mut statement = transaction.prepare(
        "SELECT journal.position, journal.tenant, arrived_ms, body
         FROM sessions LEFT JOIN calls USING (call) JOIN journal USING (session)
         WHERE sessions.tenant = ?1 AND calls.call IS NULL ORDER BY journal.position",
    )?;
    let mut rows = statement.query([tenant.0])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(Entry::read(row)?);
    }
    Ok(entries)
}

/// Writes what has changed, over what was there; tells how many notifications, and whether any record.
fn write(transaction: &Transaction<'_>, before: &Kept, after: &Kept) -> Result<(u64, bool)> {
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

fn note_erasure(transaction: &Transaction<'_>, tenant: TenantId, call: i64, kept: &Kept) -> Result<()> {
    let Some(current) = kept.versions.last() else { return Ok(()) };
    let id: String = transaction
        .prepare_cached("SELECT id FROM calls WHERE call = ?1")?
        .query_row([call], |row| row.get(0))?;
    announcements::note(transaction, tenant, ChangeKind::Erased, &id, current.version)
}

/// Enters a call under what its versions say now, and under nothing else.
fn enter_anew(
    transaction: &Transaction<'_>,
    memory: &mut Memory,
    tenant: TenantId,
    call: i64,
    kept: &Kept,
) -> Result<()> {
    let (start_ms, found_by): (i64, Vec<u8>) = transaction
        .prepare_cached("SELECT start_ms, terms FROM calls WHERE call = ?1")?
        .query_row([call], |row| Ok((row.get(0)?, row.get(1)?)))?;
    memory.calls = Lately::default();
    let old = terms::from_bytes(&found_by)?;
    terms::remove(transaction, call, start_ms, &old)?;
    let mut before: Option<(i64, Vec<i64>)> = None;
    for version in &kept.versions {
        let record: Call = serde_json::from_str(&version.record)
            .map_err(|error| StoreError::Damaged(format!("a record cannot be read: {error}")))?;
        let start_ms = Columns::of(&record).start_ms;
        let place = Place {
            tenant: tenant.0,
            call,
            start_ms,
            before: before.as_ref().map(|(start, terms)| (*start, &terms[..])),
            was_over: true,
        };
        let entered = terms::enter(transaction, &mut memory.terms, &place, &record)?;
        before = Some((start_ms, entered));
    }
    terms::forget_unused(transaction, &mut memory.terms, &old)?;
    let all = before.map_or_else(Vec::new, |(_, terms)| terms::to_bytes(&terms));
    transaction.prepare_cached("UPDATE calls SET terms = ?2 WHERE call = ?1")?.execute(params![call, all])?;
    Ok(())
}
