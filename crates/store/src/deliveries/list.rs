//! Lists deliveries with their attempts.

use rusqlite::{Connection, Row, params};

use super::delivery::{Attempt, Delivery, DeliveryState};
use crate::{
    EndpointId, EventId, TenantView,
    damage::TolerantConnection,
    error::{Result, StoreError},
};

/// Selects deliveries of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryQuery {
    /// Only those in this state. `None` for all.
    pub state: Option<DeliveryState>,
    /// Only those before this event. `None` to start with the latest.
    pub before: Option<EventId>,
    /// Maximum number of deliveries.
    pub limit: usize,
}

impl TenantView {
    /// Deliveries to an endpoint, latest events first.
    pub fn deliveries(&self, endpoint: EndpointId, listed: DeliveryQuery) -> Result<Vec<Delivery>> {
        self.read(|connection, tenant| {
            let condition = "deliveries.endpoint = ?2 AND (?3 IS NULL OR state = ?3) AND event < ?4
                 ORDER BY event DESC LIMIT ?5";
            let state = listed.state.map(DeliveryState::as_str);
            let before = listed.before.map_or(i64::MAX, |event| event.0);
            select(
                connection,
                tenant,
                condition,
                params![tenant, endpoint.0, state, before, listed.limit as i64],
            )
        })
    }

    /// Deliveries of a call's events to any endpoint, latest first.
    pub fn deliveries_of_call(&self, call_id: &str) -> Result<Vec<Delivery>> {
        self.read(|connection, tenant| {
            // Through the tenant's few endpoints, because the index is by endpoint and call.
            let condition = "deliveries.endpoint IN (SELECT endpoint FROM endpoints WHERE tenant = ?1)
                 AND call_id = ?2 ORDER BY event DESC, deliveries.endpoint";
            select(connection, tenant, condition, params![tenant, call_id])
        })
    }
}

fn select(
    connection: &TolerantConnection<'_>,
    tenant: i64,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Delivery>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT deliveries.endpoint, endpoints.id, event, kind, version, call_id, deliveries.created_ms, state, next_attempt_ms
         FROM deliveries JOIN endpoints USING (endpoint) WHERE endpoints.tenant = ?1 AND {condition}"
    ))?;
    let mut rows = statement.query(parameters)?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        let place = || format!("delivery of event {}", row.get::<_, i64>(2).unwrap_or_default());
        deliveries.extend(connection.skip_damaged(read(connection, row), tenant, place)?);
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
        created_ms: row.get(6)?,
        state: DeliveryState::from_word(&state)
            .ok_or_else(|| StoreError::Damaged(format!("a delivery that is {state:?}")))?,
        next_attempt_ms: row.get(8)?,
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
