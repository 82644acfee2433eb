//! Lists deliveries, and redelivers them on request.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::{
    EndpointId, EventId, Position, StoredChange, TenantView, Who,
    audit_log::{What, note},
    damage::Reading,
    deliveries::{Attempt, Delivery, DeliveryState},
    error::{Result, StoreError},
};

/// Selects deliveries of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// Only those in this state. `None` for all.
    pub state: Option<DeliveryState>,
    /// Only those before this event. `None` to start with the latest.
    pub before: Option<EventId>,
    /// Maximum number of deliveries.
    pub limit: usize,
}

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
const AT_ONCE: usize = 500;

impl TenantView {
    /// Deliveries to an endpoint, latest events first.
    pub fn deliveries(&self, endpoint: EndpointId, listed: Listed) -> Result<Vec<Delivery>> {
        self.read(|connection, tenant| {
            let which = "deliveries.endpoint = ?2 AND (?3 IS NULL OR state = ?3) AND event < ?4
                 ORDER BY event DESC LIMIT ?5";
            let state = listed.state.map(DeliveryState::as_str);
            let before = listed.before.map_or(i64::MAX, |event| event.0);
            select(connection, tenant, which, params![tenant, endpoint.0, state, before, listed.limit as i64])
        })
    }

    /// Deliveries of a call's events to any endpoint, latest first.
    pub fn deliveries_of_call(&self, call_id: &str) -> Result<Vec<Delivery>> {
        self.read(|connection, tenant| {
            // Through the tenant's few endpoints, because the index is by endpoint and call.
            let which = "deliveries.endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)
                 AND call_id = ?2 ORDER BY event DESC, deliveries.endpoint";
            select(connection, tenant, which, params![tenant, call_id])
        })
    }

    /// Redelivers an event to an endpoint now; returns `false` if the endpoint has no such delivery. Blocks.
    pub fn resend(&self, endpoint: EndpointId, event: EventId, now_ms: i64) -> Result<bool> {
        let (tenant, who, object) = (self.tenant.0, self.store.who.clone(), self.event_id(event));
        self.store.change_tenants(move |transaction, _| {
            let due = transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 'pending', step = 0, next_ms = ?4
                     WHERE endpoint = ?2 AND event = ?3
                         AND endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)",
                )?
                .execute(params![tenant, endpoint.0, event.0, now_ms])?;
            if due > 0 {
                note_resent(transaction, &who, tenant, endpoint, What::DeliveryResend, &object)?;
            }
            Ok(due > 0)
        })
    }

    /// Redelivers all exhausted deliveries and makes pending ones due; returns their number. Blocks.
    pub fn resend_failed(&self, endpoint: EndpointId, since_ms: i64, now_ms: i64) -> Result<usize> {
        let (tenant, who) = (self.tenant.0, self.store.who.clone());
        self.store.change_tenants(move |transaction, _| {
            let due = transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 'pending', step = 0, next_ms = ?4
                     WHERE endpoint = ?2 AND state IN ('pending', 'exhausted') AND made_ms >= ?3
                         AND endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)",
                )?
                .execute(params![tenant, endpoint.0, since_ms, now_ms])?;
            note_resent(transaction, &who, tenant, endpoint, What::EndpointReplay, "failed")?;
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
            let first = "SELECT coalesce(min(cursor), 1) FROM changes WHERE tenant = ?1 AND made_ms >= ?2";
            Ok(connection
                .prepare_cached(first)?
                .query_row(params![tenant, replay.since_ms], |row| row.get(0))?)
        })?;
        let (mut after, mut count) = (Position(first - 1), 0);
        let (tenant, mut who) = (self.tenant.0, Some(self.store.who.clone()));
        loop {
            let changes = self.changes_after(after, AT_ONCE)?;
            let Some(last) = changes.last() else { break };
            after = last.cursor;
            let due: Vec<_> = changes
                .into_iter()
                .filter(|change| {
                    (replay.since_ms..replay.until_ms).contains(&change.made_ms)
                        && (change.kind.is_of_many()
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
            count += self.store.change_tenants(move |transaction, _| {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO deliveries SELECT endpoint, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 0, ?8
                     FROM endpoints WHERE endpoint = ?1 AND tenant = ?9 AND (cursor >= ?2
                         OR EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ?1 AND event = ?2))
                     ON CONFLICT (endpoint, event) DO UPDATE SET state = 'pending', step = 0, next_ms = ?8",
                )?;
                if let Some(who) = who {
                    note_resent(transaction, &who, tenant, endpoint, What::EndpointReplay, "")?;
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
                        change.made_ms,
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
fn note_resent(
    transaction: &Transaction<'_>,
    who: &Who,
    tenant: i64,
    endpoint: EndpointId,
    what: What,
    object: &str,
) -> Result<()> {
    let id: Option<String> = transaction
        .prepare_cached("SELECT id FROM endpoints WHERE endpoint = ?1 AND tenant = ?2")?
        .query_row(params![endpoint.0, tenant], |row| row.get(0))
        .optional()?;
    note(transaction, who, Some(tenant), what, format!("{} {object}", id.unwrap_or_default()).trim())
}

fn select(
    connection: &Reading<'_>,
    tenant: i64,
    which: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Delivery>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT deliveries.endpoint, endpoints.id, event, kind, version, call_id, made_ms, state, next_ms
         FROM deliveries JOIN endpoints USING (endpoint) WHERE endpoints.tenant = ?1 AND {which}"
    ))?;
    let mut rows = statement.query(parameters)?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        let place = || format!("delivery of event {}", row.get::<_, i64>(2).unwrap_or_default());
        deliveries.extend(connection.pass_over(read(connection, row), tenant, place)?);
    }
    Ok(deliveries)
}

fn read(connection: &Connection, row: &Row<'_>) -> Result<Delivery> {
    let (endpoint, id) = (row.get(0)?, EventId(row.get(2)?));
    let state: String = row.get(7)?;
    Ok(Delivery {
        endpoint: row.get(1)?,
        id,
        kind: row.get(3)?,
        version: row.get::<_, i64>(4)? as u64,
        call_id: row.get(5)?,
        made_ms: row.get(6)?,
        state: DeliveryState::from_word(&state)
            .ok_or_else(|| StoreError::Damaged(format!("a delivery that is {state:?}")))?,
        next_ms: row.get(8)?,
        attempts: attempts(connection, EndpointId(endpoint), id)?,
    })
}

fn attempts(connection: &Connection, endpoint: EndpointId, event: EventId) -> Result<Vec<Attempt>> {
    let mut statement = connection.prepare_cached(
        "SELECT started_ms, duration_ms, status, problem, answer FROM attempts
         WHERE endpoint = ?1 AND event = ?2 ORDER BY number",
    )?;
    let rows = statement.query_map(params![endpoint.0, event.0], |row| {
        Ok(Attempt {
            started_ms: row.get(0)?,
            duration_ms: row.get(1)?,
            status: row.get(2)?,
            problem: row.get(3)?,
            answer: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
