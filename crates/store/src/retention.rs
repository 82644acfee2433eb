//! Retention: removes expired data in portions, so that the writer is never blocked for long.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::{
    Store, TenantId, announcements, changes::ChangeKind, error::Result, recent_cache::RecentCache,
    search_index, writer_caches::WriterCaches,
};

/// Selects expired data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The tenant.
    pub tenant: TenantId,
    /// Calls that ended before this, and notifications without a call that arrived before this; milliseconds since
    /// 1970.
    pub before_ms: i64,
    /// Nothing that changed since this time is removed: an assembler may have it in memory.
    pub quiet_since_ms: i64,
}

impl Store {
    /// Removes up to `limit` calls, oldest first, with their versions, index entries, sessions and notifications;
    /// returns their number, which is below `limit` if these were all. The removal is published with
    /// [`Store::announce`]. Blocks.
    pub fn remove_calls(&self, expiry: Expiry, limit: usize) -> Result<usize> {
        self.writer().run(move |transaction, caches| {
            let mut statement = transaction.prepare_cached(
                "SELECT calls.call, start_ms, calls.id, terms FROM calls JOIN changes USING (cursor)
                 WHERE calls.tenant = ?1 AND start_ms < ?2 AND end_ms < ?2 AND state != 'live' AND created_ms < ?3
                     AND NOT EXISTS (SELECT 1 FROM sessions JOIN journal USING (session)
                         WHERE sessions.call = calls.call AND arrived_ms >= ?3)
                 ORDER BY start_ms, calls.call LIMIT ?4",
            )?;
            let Expiry { tenant, before_ms, quiet_since_ms } = expiry;
            let rows = statement
                .query_map(params![tenant.0, before_ms, quiet_since_ms, limit as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, Vec<u8>>(3)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for (call, start_ms, id, terms) in &rows {
                remove_deliveries(transaction, tenant, id)?;
                remove_call(transaction, caches, tenant, *call, *start_ms, &search_index::decode_terms(terms).unwrap_or_default())?;
                remove_merged(transaction, tenant, id)?;
                announcements::note(transaction, tenant, ChangeKind::Deleted, id, 0)?;
            }
            caches.data_epoch += u64::from(!rows.is_empty());
            Ok(rows.len())
        })
    }

    /// Removes up to `limit` sessions that belong to no call, with their notifications. Blocks; reads all sessions of
    /// the tenant outside of the writer thread.
    pub fn remove_unassigned(&self, expiry: Expiry, limit: usize) -> Result<usize> {
        let Expiry { tenant, before_ms, quiet_since_ms } = expiry;
        let before_ms = before_ms.min(quiet_since_ms);
        let unassigned: Vec<i64> = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT session FROM sessions LEFT JOIN calls USING (call)
                 WHERE sessions.tenant = ?1 AND calls.call IS NULL
                     AND NOT EXISTS (SELECT 1 FROM journal WHERE journal.session = sessions.session AND arrived_ms >= ?2)
                     AND EXISTS (SELECT 1 FROM journal WHERE journal.session = sessions.session)
                 LIMIT ?3",
            )?;
            let rows = statement.query_map(params![tenant.0, before_ms, limit as i64], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })?;
        let count = unassigned.len();
        self.writer().run(move |transaction, caches| {
            for session in unassigned {
                // A notification may have arrived meanwhile.
                let late: Option<i64> = transaction
                    .prepare_cached("SELECT 1 FROM journal WHERE session = ?1 AND arrived_ms >= ?2")?
                    .query_row([session, before_ms], |row| row.get(0))
                    .optional()?;
                if late.is_none() {
                    remove_session(transaction, caches, tenant, session)?;
                }
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Removes up to `limit` rejected bodies, and as many changes of calls that were merged away, and notices.
    /// Blocks.
    pub fn remove_detached_rows(&self, expiry: Expiry, limit: usize) -> Result<usize> {
        self.writer().run(move |transaction, caches| {
            let Expiry { tenant, before_ms, quiet_since_ms } = expiry;
            let rejected = transaction
                .prepare_cached(
                    "DELETE FROM rejected WHERE id IN (SELECT id FROM rejected
                         WHERE tenant = ?1 AND arrived_ms < ?2 LIMIT ?3)",
                )?
                .execute(params![tenant.0, before_ms, limit as i64])?;
            let changes = transaction
                .prepare_cached(
                    "DELETE FROM changes WHERE cursor IN (SELECT cursor FROM changes
                         WHERE tenant = ?1 AND created_ms < ?2
                             AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.call = changes.call) LIMIT ?3)
                     RETURNING cursor",
                )?
                .query_map(params![tenant.0, before_ms.min(quiet_since_ms), limit as i64], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            let endpoints = endpoints_of(transaction, tenant)?;
            for cursor in &changes {
                remove_event(transaction, &endpoints, *cursor)?;
            }
            let notices = transaction
                .prepare_cached(
                    "DELETE FROM notices WHERE notice IN (
                         SELECT notice FROM notices WHERE tenant = ?1 AND created_ms < ?2 LIMIT ?3)
                     RETURNING notice",
                )?
                .query_map(params![tenant.0, before_ms, limit as i64], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            for notice in &notices {
                remove_event(transaction, &endpoints, -notice)?;
            }
            caches.data_epoch += u64::from(!changes.is_empty() || !notices.is_empty());
            count_removed_changes(transaction, tenant, &changes)?;
            let changes = changes.len();
            Ok(rejected.max(changes).max(notices.len()))
        })
    }
}

fn remove_call(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    tenant: TenantId,
    call: i64,
    start_ms: i64,
    terms: &[i64],
) -> Result<()> {
    caches.calls = RecentCache::default();
    search_index::remove(transaction, call, start_ms, terms)?;
    search_index::delete_orphaned_terms(transaction, &mut caches.terms, terms)?;
    let changes = transaction
        .prepare_cached("DELETE FROM changes WHERE call = ?1 RETURNING cursor")?
        .query_map([call], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    count_removed_changes(transaction, tenant, &changes)?;
    let mut statement = transaction.prepare_cached("SELECT session FROM sessions WHERE call = ?1")?;
    let sessions = statement.query_map([call], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for session in sessions {
        remove_session(transaction, caches, tenant, session)?;
    }
    transaction.prepare_cached("DELETE FROM calls WHERE call = ?1")?.execute([call])?;
    Ok(())
}

/// Removes the deliveries of a call.
fn remove_deliveries(transaction: &Transaction<'_>, tenant: TenantId, call_id: &str) -> Result<()> {
    for endpoint in endpoints_of(transaction, tenant)? {
        let events = transaction
            .prepare_cached("DELETE FROM deliveries WHERE endpoint = ?1 AND call_id = ?2 RETURNING event")?
            .query_map(params![endpoint, call_id], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        for event in events {
            remove_event(transaction, &[endpoint], event)?;
        }
    }
    Ok(())
}

/// The endpoints of a tenant.
fn endpoints_of(transaction: &Transaction<'_>, tenant: TenantId) -> Result<Vec<i64>> {
    let mut statement = transaction.prepare_cached("SELECT endpoint FROM endpoints WHERE tenant = ?1")?;
    let rows = statement.query_map([tenant.0], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn remove_event(transaction: &Transaction<'_>, endpoints: &[i64], event: i64) -> Result<()> {
    for table in ["attempts", "deliveries"] {
        let sql = format!("DELETE FROM {table} WHERE endpoint = ?1 AND event = ?2");
        let mut delete = transaction.prepare_cached(&sql)?;
        for endpoint in endpoints {
            delete.execute([*endpoint, event])?;
        }
    }
    Ok(())
}

/// Counts removed changes, so that the check does not report them as missing, and so that a cursor before them is
/// refused as expired.
fn count_removed_changes(transaction: &Transaction<'_>, tenant: TenantId, changes: &[i64]) -> Result<()> {
    let Some(last) = changes.iter().max() else { return Ok(()) };
    transaction
        .prepare_cached("UPDATE checkpoint SET removed_changes = removed_changes + ?1")?
        .execute([changes.len() as i64])?;
    transaction
        .prepare_cached(
            "INSERT INTO removed_changes VALUES (?1, ?2)
             ON CONFLICT (tenant) DO UPDATE SET until = max(until, excluded.until)",
        )?
        .execute([tenant.0, *last])?;
    Ok(())
}

fn remove_session(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    tenant: TenantId,
    session: i64,
) -> Result<()> {
    transaction.prepare_cached("DELETE FROM journal WHERE session = ?1")?.execute([session])?;
    let id: Option<String> = transaction
        .prepare_cached("DELETE FROM sessions WHERE session = ?1 RETURNING id")?
        .query_row([session], |row| row.get(0))
        .optional()?;
    // The cached row does not exist any more.
    id.into_iter().for_each(|id| caches.sessions.remove(tenant.0, &[&id]));
    Ok(())
}

/// Removes the ids that were merged into a call, directly or through others.
fn remove_merged(transaction: &Transaction<'_>, tenant: TenantId, id: &str) -> Result<()> {
    transaction
        .prepare_cached(
            "WITH RECURSIVE merged_ids(id) AS (
                 SELECT id FROM merged WHERE tenant = ?1 AND into_id = ?2
                 UNION SELECT merged.id FROM merged JOIN merged_ids ON merged.into_id = merged_ids.id WHERE tenant = ?1)
             DELETE FROM merged WHERE tenant = ?1 AND id IN (SELECT id FROM merged_ids)",
        )?
        .execute(params![tenant.0, id])?;
    Ok(())
}
