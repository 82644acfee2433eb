//! Rejected bodies: posted to a hook with the right token, acknowledged, but not notifications of the tenant. They
//! are stored for some time, to be read or accepted later. Each tenant's share is limited in bytes: the oldest
//! are removed first.

use rusqlite::{Connection, OptionalExtension, Row, Rows, Transaction, params};
use tokio::sync::oneshot;

use crate::{
    Store, TenantId, TenantView,
    audit_log::{AuditAction, note},
    codec::{self, Kind},
    damage::TolerantConnection,
    error::{Result, StoreError},
};

/// Maximum bytes of rejected bodies of a tenant.
const MAX_TENANT_BYTES: i64 = 32 << 20;

/// Maximum length of a reason, which may quote the body.
const MAX_REASON_CHARS: usize = 300;

/// A rejected body, compressed and ready to be stored.
#[derive(Debug)]
pub struct NewRejected {
    tenant: TenantId,
    arrived_ms: i64,
    reason: String,
    body: Vec<u8>,
    /// Number of bytes that were posted. `None` if the whole body is stored.
    posted_bytes: Option<i64>,
}

impl NewRejected {
    /// Compresses a body.
    pub fn new(tenant: TenantId, arrived_ms: i64, reason: String, body: &[u8]) -> Result<Self> {
        let body = codec::pack(Kind::Notification, body)?;
        let reason = reason.chars().take(MAX_REASON_CHARS).collect();
        Ok(Self { tenant, arrived_ms, reason, body, posted_bytes: None })
    }

    /// Marks the body as the beginning of a longer one, of which `posted_bytes` were read.
    pub fn cut_from(self, posted_bytes: usize) -> Self {
        Self { posted_bytes: Some(posted_bytes as i64), ..self }
    }
}

/// A stored rejected body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedBody {
    /// Its id; never assigned twice.
    pub id: i64,
    /// When it arrived, milliseconds since 1970.
    pub arrived_ms: i64,
    /// Why it was rejected.
    pub reason: String,
    /// Number of bytes that were posted. `None` if the whole body is stored.
    pub posted_bytes: Option<i64>,
    /// Whether a running service is to classify it again.
    pub is_to_retry: bool,
}

const COLUMNS: &str = "id, arrived_ms, reason, posted_bytes, retry";

fn read_row(row: &Row<'_>) -> rusqlite::Result<RejectedBody> {
    Ok(RejectedBody {
        id: row.get(0)?,
        arrived_ms: row.get(1)?,
        reason: row.get(2)?,
        posted_bytes: row.get(3)?,
        is_to_retry: row.get::<_, i64>(4)? != 0,
    })
}

/// Reads the rows, without damaged ones.
fn read_rows(reader: &TolerantConnection<'_>, tenant: i64, mut rows: Rows<'_>) -> Result<Vec<RejectedBody>> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let read = read_row(row).map_err(StoreError::from);
        let place = || format!("rejected body {}", row.get::<_, i64>(0).unwrap_or_default());
        found.extend(reader.skip_damaged(read, tenant, place)?);
    }
    Ok(found)
}

impl TenantView {
    /// The number of rejected bodies, and the latest of them, newest first.
    pub fn latest_rejected(&self, limit: usize) -> Result<(u64, Vec<RejectedBody>)> {
        let count: i64 = self.read(|connection, tenant| {
            Ok(connection
                .prepare_cached("SELECT count(*) FROM rejected WHERE tenant = ?1")?
                .query_row([tenant], |row| row.get(0))?)
        })?;
        Ok((count as u64, self.rejected(None, limit)?))
    }

    /// Rejected bodies, newest first. `before` is the last id of the previous page.
    pub fn rejected(&self, before: Option<i64>, limit: usize) -> Result<Vec<RejectedBody>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM rejected WHERE tenant = ?1 AND id < ?2
                 ORDER BY id DESC LIMIT ?3"
            ))?;
            let rows = statement.query(params![tenant, before.unwrap_or(i64::MAX), limit as i64])?;
            read_rows(connection, tenant, rows)
        })
    }

    /// A rejected body by its id.
    pub fn rejected_body(&self, id: i64) -> Result<Option<(RejectedBody, Vec<u8>)>> {
        self.read(|connection, tenant| {
            let found = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, body FROM rejected WHERE tenant = ?1 AND id = ?2"
                ))?
                .query_row(params![tenant, id], |row| Ok((read_row(row)?, row.get::<_, Vec<u8>>(5)?)))
                .optional()?;
            found.map(|(refused, packed)| Ok((refused, codec::unpack(&packed)?))).transpose()
        })
    }

    /// Bodies after an id that are to be classified again, oldest first.
    pub fn rejected_to_retry(&self, after: i64, limit: usize) -> Result<Vec<RejectedBody>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM rejected WHERE tenant = ?1 AND retry = 1 AND id > ?2
                 ORDER BY id LIMIT ?3"
            ))?;
            let rows = statement.query(params![tenant, after, limit as i64])?;
            read_rows(connection, tenant, rows)
        })
    }
}

impl Store {
    /// Stores a rejected body; the receiver gets the result when it is durable.
    pub fn reject(&self, refusal: NewRejected) -> Result<oneshot::Receiver<Result<()>>> {
        self.writer().submit(move |transaction, _| {
            let NewRejected { tenant, arrived_ms, reason, body, posted_bytes } = refusal;
            transaction
                .prepare_cached(
                    "INSERT INTO rejected (tenant, arrived_ms, reason, body, posted_bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![tenant.0, arrived_ms, reason, body, posted_bytes])?;
            enforce_limit(transaction, tenant.0)
        })
    }

    /// Marks rejected bodies, or all of them, to be classified again by a service that runs now or later; returns
    /// their number.
    pub fn mark_for_retry(&self, tenant: TenantId, ids: Option<Vec<i64>>) -> Result<usize> {
        let who = self.who.clone();
        self.change_configuration(move |transaction, _| {
            note(transaction, &who, Some(tenant.0), AuditAction::RejectedRetry, &listed(ids.as_deref()))?;
            match ids {
                None => Ok(transaction
                    .prepare_cached("UPDATE rejected SET retry = 1 WHERE tenant = ?1 AND retry = 0")?
                    .execute([tenant.0])?),
                Some(ids) => execute_for_each(
                    transaction,
                    "UPDATE rejected SET retry = 1 WHERE tenant = ?1 AND id = ?2",
                    tenant,
                    &ids,
                ),
            }
        })
    }

    /// Stores why a body was rejected again. Blocks.
    pub fn update_rejection_reason(&self, tenant: TenantId, id: i64, reason: String) -> Result<()> {
        self.writer().run(move |transaction, _| {
            let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
            transaction
                .prepare_cached("UPDATE rejected SET retry = 0, reason = ?3 WHERE tenant = ?1 AND id = ?2")?
                .execute(params![tenant.0, id, reason])?;
            Ok(())
        })
    }

    /// Removes rejected bodies; returns their number. Blocks.
    pub fn remove_rejected(&self, tenant: TenantId, ids: Vec<i64>) -> Result<usize> {
        let who = self.who.clone();
        self.writer().run(move |transaction, _| {
            note(transaction, &who, Some(tenant.0), AuditAction::RejectedRemove, &listed(Some(&ids)))?;
            execute_for_each(transaction, "DELETE FROM rejected WHERE tenant = ?1 AND id = ?2", tenant, &ids)
        })
    }

    /// Removes up to `limit` bodies of all tenants that were rejected before a time; returns their number. Blocks.
    pub fn remove_rejected_before(&self, before_ms: i64, limit: usize) -> Result<usize> {
        self.writer().run(move |transaction, _| {
            Ok(transaction
                .prepare_cached(
                    "DELETE FROM rejected WHERE id IN (
                         SELECT id FROM rejected WHERE arrived_ms < ?1 LIMIT ?2)",
                )?
                .execute(params![before_ms, limit as i64])?)
        })
    }
}

/// Lists ids for the audit log, which limits the length.
fn listed(ids: Option<&[i64]>) -> String {
    match ids {
        None => "all".to_owned(),
        Some(ids) => ids.iter().take(20).map(i64::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn execute_for_each(
    transaction: &Transaction<'_>,
    sql: &str,
    tenant: TenantId,
    ids: &[i64],
) -> Result<usize> {
    let mut statement = transaction.prepare_cached(sql)?;
    ids.iter().try_fold(0, |done, id| Ok(done + statement.execute(params![tenant.0, id])?))
}

/// Removes a tenant's oldest bodies until the rest is within the limit.
fn enforce_limit(transaction: &Transaction<'_>, tenant: i64) -> Result<()> {
    while stored_bytes(transaction, tenant)? > MAX_TENANT_BYTES {
        let removed = transaction
            .prepare_cached(
                "DELETE FROM rejected WHERE id IN (
                     SELECT id FROM rejected WHERE tenant = ?1 ORDER BY id LIMIT 8)",
            )?
            .execute([tenant])?;
        if removed == 0 {
            return Err(StoreError::Damaged("the bytes counted as rejected exceed those stored".to_owned()));
        }
    }
    Ok(())
}

fn stored_bytes(connection: &Connection, tenant: i64) -> Result<i64> {
    let bytes = connection
        .prepare_cached("SELECT bytes FROM rejected_bytes WHERE tenant = ?1")?
        .query_row([tenant], |row| row.get(0))
        .optional()?;
    Ok(bytes.unwrap_or(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use crate::{NewTenant, TenantSettings};

    fn tenant(store: &Store, name: &str) -> TenantId {
        let new = NewTenant {
            name: name.to_owned(),
            created_ms: 0,
            accounts: vec!["1".to_owned()],
            secrets: Vec::new(),
            settings: TenantSettings::default(),
            pseudonym_salt: [0; 32],
        };
        store.add_tenant(new).unwrap()
    }

    fn reject(store: &Store, tenant: TenantId, body: &[u8]) {
        let refusal = NewRejected::new(tenant, 1_000, "because".to_owned(), body).unwrap();
        store.reject(refusal).unwrap().blocking_recv().unwrap().unwrap();
    }

    /// Bytes that cannot be compressed.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn oldest_bodies_are_removed_beyond_the_tenant_s_limit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (acme, bob) = (tenant(&store, "acme"), tenant(&store, "bob"));
        reject(&store, bob, b"one of another tenant");
        for seed in 0..140 {
            reject(&store, acme, &noise(seed + 1, 256 << 10));
        }
        let stored = store.of(acme).rejected(None, 1_000).unwrap();
        assert!((100..130).contains(&stored.len()), "{}", stored.len());
        assert_eq!(store.of(acme).rejected_body(stored[0].id).unwrap().unwrap().1, noise(140, 256 << 10));
        assert_eq!(store.of(bob).rejected(None, 10).unwrap().len(), 1);
        let bytes = store.read(|connection| stored_bytes(connection, acme.0)).unwrap();
        let sum: i64 = store
            .read(|connection| {
                let sql = "SELECT sum(length(body) + 300) FROM rejected WHERE tenant = ?1";
                Ok(connection.query_row(sql, [acme.0], |row| row.get(0))?)
            })
            .unwrap();
        assert_eq!(bytes, sum);
        assert!(bytes <= MAX_TENANT_BYTES);
        let ids: Vec<i64> = stored.iter().map(|refused| refused.id).collect();
        assert_eq!(store.remove_rejected(bob, ids.clone()).unwrap(), 0, "another tenant's");
        assert_eq!(store.remove_rejected(acme, ids.clone()).unwrap(), ids.len());
        assert_eq!(store.read(|connection| stored_bytes(connection, acme.0)).unwrap(), 0);
        reject(&store, acme, b"a further one");
        assert!(store.of(acme).rejected(None, 1).unwrap()[0].id > ids[0], "an id was assigned twice");
    }

    #[test]
    fn bodies_expire() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let acme = tenant(&store, "acme");
        (0..3).for_each(|_| reject(&store, acme, b"{}"));
        assert_eq!(store.remove_rejected_before(1_000, 10).unwrap(), 0);
        assert_eq!(store.remove_rejected_before(1_001, 2).unwrap(), 2);
        assert_eq!(store.remove_rejected_before(1_001, 2).unwrap(), 1);
    }

    #[test]
    fn long_reason_is_cut_and_a_cut_body_states_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let acme = tenant(&store, "acme");
        let refusal =
            NewRejected::new(acme, 5, "é".repeat(100_000), b"the beginning").unwrap().cut_from(300_000);
        store.reject(refusal).unwrap().blocking_recv().unwrap().unwrap();
        let [only] = &store.of(acme).rejected(None, 10).unwrap()[..] else { panic!("not one") };
        assert_eq!((only.reason.chars().count(), only.posted_bytes), (300, Some(300_000)));
    }

    #[test]
    fn marked_bodies_are_listed_until_classified_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let acme = tenant(&store, "acme");
        (0..3).for_each(|_| reject(&store, acme, b"{}"));
        let version = store.configuration_version().unwrap();
        let second = store.of(acme).rejected(None, 10).unwrap()[1].id;
        assert_eq!(store.mark_for_retry(acme, Some(vec![second, 99])).unwrap(), 1);
        assert!(store.configuration_version().unwrap() > version, "a running service must notice");
        assert_eq!(store.of(acme).rejected_to_retry(0, 10).unwrap()[0].id, second);
        store.update_rejection_reason(acme, second, "still".to_owned()).unwrap();
        assert!(store.of(acme).rejected_to_retry(0, 10).unwrap().is_empty());
        assert_eq!(store.of(acme).rejected(None, 10).unwrap()[1].reason, "still");
        assert_eq!(store.mark_for_retry(acme, None).unwrap(), 3);
    }
}
