//! Reads pending deliveries: those that are due, and those that block others.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::outgoing::{CallIds, Outgoing};
use crate::{
    Store, TenantId,
    changes::{self, PublishedVersion, StoredChange},
    damage::TolerantConnection,
    endpoints::{Endpoint, EndpointId},
    error::{Result, StoreError},
    events::EventId,
};

/// SQL condition: an earlier delivery of the same call, or of the call merged into it, is still pending. Expects the
/// endpoint's number in ?1 and the candidate row as `deliveries`.
const BLOCKED: &str = "EXISTS (
    SELECT 1 FROM deliveries AS before WHERE before.endpoint = ?1 AND before.call_id != ''
        AND before.event < deliveries.event AND before.state = 'pending'
        AND before.call_id IN (deliveries.call_id, deliveries.into_id))
    OR EXISTS (
    SELECT 1 FROM deliveries AS before WHERE before.endpoint = ?1 AND before.into_id IS NOT NULL
        AND before.event < deliveries.event AND before.state = 'pending'
        AND before.into_id IN (deliveries.call_id, deliveries.into_id))";

impl Store {
    /// Deliveries that are due and not blocked by an earlier one of the same call, the longest due first.
    pub fn due(&self, endpoint: &Endpoint, now_ms: i64, limit: usize) -> Result<Vec<Outgoing>> {
        self.read_pending(endpoint, |connection| {
            let condition =
                format!("next_attempt_ms <= ?2 AND NOT ({BLOCKED}) ORDER BY next_attempt_ms, event LIMIT ?3");
            pending(connection, endpoint.number, &condition, now_ms, limit)
        })
    }

    /// Reads pending deliveries. Those whose event cannot be read are marked as exhausted, so that they block nothing.
    fn read_pending(
        &self,
        endpoint: &Endpoint,
        read: impl Fn(&TolerantConnection<'_>) -> Result<Pending>,
    ) -> Result<Vec<Outgoing>> {
        loop {
            let Pending { events, unreadable } = self.read(&read)?;
            if unreadable.is_empty() {
                return Ok(events);
            }
            let number = endpoint.number;
            self.writer().run(move |transaction, _| exhaust_unreadable(transaction, number, &unreadable))?;
        }
    }

    /// The oldest pending delivery after an event, or the oldest of all, even if it is not due; with those that were
    /// tried together with it, at most `limit`.
    pub fn next_pending(
        &self,
        endpoint: &Endpoint,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Outgoing>> {
        self.read_pending(endpoint, |connection| {
            let condition = format!("abs(event) > ?2 AND NOT ({BLOCKED}) ORDER BY abs(event) LIMIT ?3");
            let first_after = |after: i64| pending(connection, endpoint.number, &condition, after, 1);
            let mut first = first_after(after.map_or(0, EventId::age_order))?;
            if first.events.is_empty() && first.unreadable.is_empty() && after.is_some() {
                first = first_after(0)?;
            }
            let due_ms = first.events.first().and_then(|first| first.due_ms);
            let Some(due_ms) = due_ms.filter(|_| limit > 1) else {
                return Ok(first);
            };
            let condition = format!("next_attempt_ms = ?2 AND NOT ({BLOCKED}) ORDER BY event LIMIT ?3");
            pending(connection, endpoint.number, &condition, due_ms, limit)
        })
    }

    /// When the next delivery after a time is due. `None` if there is none.
    pub fn next_due(&self, endpoint: EndpointId, after_ms: i64) -> Result<Option<i64>> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT min(next_attempt_ms) FROM deliveries WHERE endpoint = ?1 AND state = 'pending' AND next_attempt_ms > ?2",
                )?
                .query_row(params![endpoint.0, after_ms], |row| row.get(0))?)
        })
    }

    /// For each event, whether a delivery of one of its calls is pending.
    pub fn have_pending_predecessors(&self, endpoint: EndpointId, events: &[Outgoing]) -> Result<Vec<bool>> {
        self.read(|connection| {
            let mut any_pending = connection
                .prepare_cached("SELECT 1 FROM deliveries WHERE endpoint = ?1 AND state = 'pending' LIMIT 1")?;
            if !any_pending.exists([endpoint.0])? {
                return Ok(vec![false; events.len()]);
            }
            let mut is_pending = connection.prepare_cached(
                "SELECT 1 FROM deliveries WHERE endpoint = ?1 AND call_id = ?2 AND state = 'pending'
                 UNION ALL SELECT 1 FROM deliveries WHERE endpoint = ?1 AND into_id = ?2 AND state = 'pending'",
            )?;
            let mut blocked = Vec::with_capacity(events.len());
            for event in events {
                let mut is_blocked = false;
                for call in event.own_calls() {
                    is_blocked |= is_pending.exists(params![endpoint.0, call])?;
                }
                blocked.push(is_blocked);
            }
            Ok(blocked)
        })
    }

    /// Whether an earlier version of an event's call was delivered.
    pub fn was_delivered_before(&self, endpoint: EndpointId, event: &Outgoing) -> Result<bool> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT 1 FROM deliveries WHERE endpoint = ?1 AND call_id = ?2 AND event < ?3
                         AND state = 'delivered' AND version > 0 LIMIT 1",
                )?
                .exists(params![endpoint.0, event.call_id, event.id.0])?)
        })
    }
}

fn change(
    connection: &TolerantConnection<'_>,
    tenant: TenantId,
    cursor: i64,
) -> Result<Option<StoredChange>> {
    let sql = format!("SELECT {} FROM changes WHERE cursor = ?1 AND tenant = ?2", changes::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![cursor, tenant.0])?;
    let change = rows.next()?.map(StoredChange::read).transpose()?;
    change.map(|change| change.with_before(connection, tenant.0)).transpose()
}

/// Pending deliveries with their events.
struct Pending {
    events: Vec<Outgoing>,
    /// The events that cannot be read.
    unreadable: Vec<i64>,
}

/// Marks deliveries whose events cannot be read as exhausted.
fn exhaust_unreadable(transaction: &Transaction<'_>, endpoint: EndpointId, events: &[i64]) -> Result<()> {
    let mut update = transaction.prepare_cached(
        "UPDATE deliveries SET state = 'exhausted', next_attempt_ms = NULL WHERE endpoint = ?1 AND event = ?2",
    )?;
    for event in events {
        update.execute([endpoint.0, *event])?;
    }
    Ok(())
}

fn pending(
    connection: &TolerantConnection<'_>,
    endpoint: EndpointId,
    condition: &str,
    value: i64,
    limit: usize,
) -> Result<Pending> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT event, kind, version, deliveries.created_ms, call_id, into_id, schedule_step, next_attempt_ms, tenant
         FROM deliveries JOIN endpoints USING (endpoint)
         WHERE endpoint = ?1 AND state = 'pending' AND {condition}"
    ))?;
    let mut rows = statement.query(params![endpoint.0, value, limit as i64])?;
    let (mut events, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let event: i64 = row.get(0)?;
        let read = read(connection, row);
        match connection.skip_damaged(read, row.get(8)?, || format!("delivery of event {event}"))? {
            Some(outgoing) => events.push(outgoing),
            None => unreadable.push(event),
        }
    }
    Ok(Pending { events, unreadable })
}

fn read(connection: &TolerantConnection<'_>, row: &Row<'_>) -> Result<Outgoing> {
    let (id, kind): (_, String) = (EventId(row.get(0)?), row.get(1)?);
    // Retention removes deliveries in the transaction that removes their calls.
    let missing = || StoreError::Damaged(format!("event {} is missing", id.0));
    let (data, before) = contents(connection, TenantId(row.get(8)?), id)?.ok_or_else(missing)?;
    Ok(Outgoing {
        id,
        version: row.get::<_, i64>(2)? as u64,
        created_ms: row.get(3)?,
        call_id: row.get(4)?,
        into_id: row.get(5)?,
        listed: if id.0 > 0 { CallIds::parse(&kind, &data)?.listed } else { Vec::new() },
        kind,
        data,
        before,
        schedule_step: row.get(6)?,
        due_ms: row.get(7)?,
    })
}

/// The contents of an event, and for a revision the version before it.
type Contents = (String, Option<Box<PublishedVersion>>);

fn contents(connection: &TolerantConnection<'_>, tenant: TenantId, id: EventId) -> Result<Option<Contents>> {
    if id.0 > 0 {
        let change = change(connection, tenant, id.0)?;
        return Ok(change.map(|change| (change.record, change.before)));
    }
    Ok(connection
        .prepare_cached("SELECT data FROM notices WHERE notice = ?1 AND tenant = ?2")?
        .query_row(params![-id.0, tenant.0], |row| Ok((row.get(0)?, None)))
        .optional()?)
}
