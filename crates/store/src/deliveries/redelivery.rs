//! Redeliveries and replays that a tenant requests.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::{
    AuditActor, EndpointId, EventId, Position, StoredChange, TenantView,
    audit_log::{AuditAction, note},
    error::Result,
};

/// Selects the events of a replay, among those that the endpoint's settings ask for.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Only changes created at this time or later, milliseconds since 1970.
    pub since_ms: i64,
    /// Only changes created before this time.
    pub until_ms: i64,
    /// Only these types, and those that go to every endpoint.
    pub kinds: Vec<String>,
}

/// Maximum number of changes that are scheduled in one transaction.
const MAX_CHANGES_PER_TRANSACTION: usize = 500;

impl TenantView {
    /// Redelivers an event to an endpoint now; returns `false` if the endpoint has no such delivery. Blocks.
    pub fn resend(&self, endpoint: EndpointId, event: EventId, now_ms: i64) -> Result<bool> {
        let (tenant, who, object) = (self.tenant.0, self.store.who.clone(), self.event_id(event));
        self.store.change_configuration(move |transaction, _| {
            let due = transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 'pending', schedule_step = 0, next_attempt_ms = ?4
                     WHERE endpoint = ?2 AND event = ?3
                         AND endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)",
                )?
                .execute(params![tenant, endpoint.0, event.0, now_ms])?;
            if due > 0 {
                note_redelivery(transaction, &who, tenant, endpoint, AuditAction::DeliveryResend, &object)?;
            }
            Ok(due > 0)
        })
    }

    /// Redelivers all exhausted deliveries and makes pending ones due; returns their number. Blocks.
    pub fn resend_failed(&self, endpoint: EndpointId, since_ms: i64, now_ms: i64) -> Result<usize> {
        let (tenant, who) = (self.tenant.0, self.store.who.clone());
        self.store.change_configuration(move |transaction, _| {
            let due = transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 'pending', schedule_step = 0, next_attempt_ms = ?4
                     WHERE endpoint = ?2 AND state IN ('pending', 'exhausted') AND created_ms >= ?3
                         AND endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)",
                )?
                .execute(params![tenant, endpoint.0, since_ms, now_ms])?;
            note_redelivery(transaction, &who, tenant, endpoint, AuditAction::EndpointReplay, "failed")?;
            Ok(due)
        })
    }

    /// Delivers a part of the feed again: events that the endpoint received, and events that its settings did not ask
    /// for then. `wants` returns whether a change is selected. Changes that the endpoint has not reached yet are left
    /// alone. Returns the number of deliveries. Blocks.
    pub fn replay(
        &self,
        endpoint: EndpointId,
        replay: &Replay,
        now_ms: i64,
        mut wants: impl FnMut(&StoredChange) -> bool,
    ) -> Result<usize> {
        let first: i64 = self.read(|connection, tenant| {
            let first = "SELECT coalesce(min(cursor), 1) FROM changes WHERE tenant = ?1 AND created_ms >= ?2";
            Ok(connection
                .prepare_cached(first)?
                .query_row(params![tenant, replay.since_ms], |row| row.get(0))?)
        })?;
        let (mut after, mut count) = (Position(first - 1), 0);
        let (tenant, mut who) = (self.tenant.0, Some(self.store.who.clone()));
        loop {
            let changes = self.changes_after(after, MAX_CHANGES_PER_TRANSACTION)?;
            let Some(last) = changes.last() else { break };
            after = last.cursor;
            let due: Vec<_> = changes
                .into_iter()
                .filter(|change| {
                    (replay.since_ms..replay.until_ms).contains(&change.created_ms)
                        && (change.kind.lists_many_calls()
                            || replay.kinds.iter().any(|kind| kind == change.kind.as_str()))
                        && wants(change)
                })
                .filter_map(|change| {
                    let ids: serde_json::Value = serde_json::from_str(&change.record).ok()?;
                    Some((change, ids))
                })
                .collect();
            // Logged with the first portion.
            let who = who.take();
            count += self.store.change_configuration(move |transaction, _| {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO deliveries SELECT endpoint, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 0, ?8
                     FROM endpoints WHERE endpoint = ?1 AND tenant = ?9 AND (cursor >= ?2
                         OR EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ?1 AND event = ?2))
                     ON CONFLICT (endpoint, event) DO UPDATE SET state = 'pending', schedule_step = 0, next_attempt_ms = ?8",
                )?;
                if let Some(who) = who {
                    note_redelivery(transaction, &who, tenant, endpoint, AuditAction::EndpointReplay, "")?;
                }
                let mut count = 0;
                for (change, ids) in &due {
                    count += insert.execute(params![
                        endpoint.0,
                        change.cursor.0,
                        change.kind.as_str(),
                        change.version as i64,
                        ids["id"].as_str().unwrap_or_default(),
                        ids["into"].as_str(),
                        change.created_ms,
                        now_ms,
                        tenant,
                    ])?;
                }
                Ok(count)
            })?;
        }
        Ok(count)
    }
}

/// Adds a redelivery to the audit log.
fn note_redelivery(
    transaction: &Transaction<'_>,
    who: &AuditActor,
    tenant: i64,
    endpoint: EndpointId,
    what: AuditAction,
    object: &str,
) -> Result<()> {
    let id: Option<String> = transaction
        .prepare_cached("SELECT id FROM endpoints WHERE endpoint = ?1 AND tenant = ?2")?
        .query_row(params![endpoint.0, tenant], |row| row.get(0))
        .optional()?;
    note(transaction, who, Some(tenant), what, format!("{} {object}", id.unwrap_or_default()).trim())
}
