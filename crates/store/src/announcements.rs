//! Changes that list many calls: those from which a person was erased, and those that retention removed.
//!
//! Each call is noted in the transaction that changes it and published later, many in one event, so that none is lost
//! when the process ends in between.

use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use crate::{
    Position, Store, TenantId,
    changes::ChangeKind,
    codec::{self, Kind},
    error::Result,
    writer_caches::WriterCaches,
};

/// Maximum number of calls in one event.
const CALLS_PER_EVENT: usize = 1_000;

impl Store {
    /// Publishes the noted calls of a tenant; returns the number of events. Blocks.
    pub fn announce(&self, tenant: TenantId, now_ms: i64) -> Result<usize> {
        let mut events = 0;
        for kind in ChangeKind::LISTING_MANY_CALLS {
            while self.writer().run(move |transaction, caches| {
                let calls = take(transaction, tenant, kind)?;
                match calls.is_empty() {
                    true => Ok(false),
                    false => add_event(transaction, caches, tenant, kind, &calls, now_ms).map(|()| true),
                }
            })? {
                events += 1;
            }
        }
        Ok(events)
    }
}

/// Notes that a call was erased from or deleted, for a later event.
pub(crate) fn note(
    transaction: &Transaction<'_>,
    tenant: TenantId,
    kind: ChangeKind,
    id: &str,
    version: u64,
) -> Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO unannounced VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![tenant.0, kind.as_str(), id, version as i64])?;
    Ok(())
}

/// Removes the noted calls of one event; returns them as the event lists them.
fn take(transaction: &Transaction<'_>, tenant: TenantId, kind: ChangeKind) -> Result<Vec<Value>> {
    let mut calls = transaction
        .prepare_cached(
            "DELETE FROM unannounced WHERE tenant = ?1 AND kind = ?2 AND id IN (
                 SELECT id FROM unannounced WHERE tenant = ?1 AND kind = ?2 ORDER BY id LIMIT ?3)
             RETURNING id, version",
        )?
        .query_map(params![tenant.0, kind.as_str(), CALLS_PER_EVENT as i64], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<(String, i64)>>>()?;
    calls.sort();
    let listed = |(id, version)| match kind {
        ChangeKind::Deleted => json!({ "id": id }),
        _ => json!({ "id": id, "version": version }),
    };
    Ok(calls.into_iter().map(listed).collect())
}

fn add_event(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    tenant: TenantId,
    kind: ChangeKind,
    calls: &[Value],
    now_ms: i64,
) -> Result<()> {
    let cursor = Position(caches.cursor.0 + 1);
    let data = codec::pack(Kind::Record, json!({ "calls": calls }).to_string().as_bytes())?;
    transaction.prepare_cached("INSERT INTO changes VALUES (?1, ?2, 0, ?3, 0, ?4, ?5)")?.execute(params![
        cursor.0,
        tenant.0,
        kind.as_str(),
        now_ms,
        data
    ])?;
    transaction.prepare_cached("UPDATE checkpoint SET cursor = ?1")?.execute([cursor.0])?;
    caches.cursor = cursor;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoredChange;

    fn lengths(changes: &[StoredChange]) -> Vec<usize> {
        let calls = |change: &StoredChange| -> usize {
            let data: Value = serde_json::from_str(&change.record).unwrap();
            data["calls"].as_array().unwrap().len()
        };
        changes.iter().map(calls).collect()
    }

    #[test]
    fn noted_calls_are_published_in_portions_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (tenant, other) = (TenantId(1), TenantId(2));
        let store = Store::open(folder.path()).unwrap();
        let noted = store.writer().run(move |transaction, _| {
            for number in 0..2_300 {
                note(transaction, tenant, ChangeKind::Deleted, &format!("s-{number}"), 0)?;
            }
            note(transaction, tenant, ChangeKind::Erased, "s-1", 3)?;
            note(transaction, other, ChangeKind::Erased, "s-2", 4)
        });
        noted.unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        let feed = || store.of(tenant).changes_after(Position(0), 100).unwrap();
        assert!(feed().is_empty(), "nothing is published before it is announced");
        assert_eq!(store.announce(tenant, 7).unwrap(), 4);
        assert_eq!(store.announce(tenant, 8).unwrap(), 0, "once");
        let feed = feed();
        assert_eq!(lengths(&feed), [1, 1_000, 1_000, 300]);
        assert_eq!(feed[0].record, r#"{"calls":[{"id":"s-1","version":3}]}"#);
        assert_eq!((feed[0].kind, feed[1].kind), (ChangeKind::Erased, ChangeKind::Deleted));
        assert!(feed.iter().all(|change| change.version == 0 && change.created_ms == 7));
        assert_eq!(store.of(other).changes_after(Position(0), 100).unwrap().len(), 0);
        assert_eq!(store.feed_problems().unwrap(), [""; 0]);
        // After a restart, the feed continues after them.
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        store.announce(other, 9).unwrap();
        assert_eq!(store.of(other).changes_after(Position(0), 100).unwrap()[0].cursor, Position(5));
    }
}
