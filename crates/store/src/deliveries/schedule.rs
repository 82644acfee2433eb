//! Changes when pending deliveries are due.

use rusqlite::params;

use super::{
    attempts::{endpoint_exists, save_state},
    delivery::DeliveryState,
    outgoing::Outgoing,
};
use crate::{Store, changes::ChangeKind, endpoints::EndpointId, error::Result};

impl Store {
    /// Shifts the pending deliveries of an endpoint that are due after a time, because the clock was changed by that
    /// much. Blocks.
    pub fn shift_due(&self, endpoint: EndpointId, after_ms: i64, by_ms: i64) -> Result<()> {
        if self.next_due(endpoint, after_ms)?.is_none() {
            return Ok(());
        }
        self.writer().run(move |transaction, _| {
            transaction.execute(
                "UPDATE deliveries SET next_attempt_ms = next_attempt_ms + ?3
                 WHERE endpoint = ?1 AND state = 'pending' AND next_attempt_ms > ?2",
                params![endpoint.0, after_ms, by_ms],
            )?;
            Ok(())
        })
    }

    /// Makes all pending deliveries of an endpoint due at `latest_ms` at the latest, because the clock was ahead when
    /// they were scheduled. Blocks.
    pub fn cap_due(&self, endpoint: EndpointId, latest_ms: i64) -> Result<()> {
        if self.next_due(endpoint, latest_ms)?.is_none() {
            return Ok(());
        }
        self.writer().run(move |transaction, _| {
            transaction.execute(
                "UPDATE deliveries SET next_attempt_ms = ?2 WHERE endpoint = ?1 AND state = 'pending' AND next_attempt_ms > ?2",
                params![endpoint.0, latest_ms],
            )?;
            Ok(())
        })
    }

    /// Stores events as pending behind earlier ones of the same call. A pending live version is superseded by a later
    /// version. Blocks.
    pub fn enqueue_behind(&self, endpoint: EndpointId, events: Vec<Outgoing>, now_ms: i64) -> Result<()> {
        self.writer().run(move |transaction, _| {
            if !endpoint_exists(transaction, endpoint)? {
                return Ok(());
            }
            for event in &events {
                if event.version > 0 {
                    transaction
                        .prepare_cached(
                            "UPDATE deliveries SET state = 'superseded', next_attempt_ms = NULL
                             WHERE endpoint = ?1 AND call_id = ?2 AND event < ?3 AND state = 'pending' AND kind = ?4",
                        )?
                        .execute(params![
                            endpoint.0,
                            event.call_id,
                            event.id.0,
                            ChangeKind::Updated.as_str()
                        ])?;
                }
                save_state(transaction, endpoint, event, DeliveryState::Pending, event.schedule_step, Some(now_ms))?;
            }
            Ok(())
        })
    }

    /// Makes all pending deliveries of an endpoint due; those that were tried together stay together. Blocks.
    pub fn make_all_due(&self, endpoint: EndpointId, now_ms: i64) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET next_attempt_ms = ?2 - rank FROM (
                         SELECT event, dense_rank() OVER (ORDER BY next_attempt_ms DESC) - 1 AS rank FROM deliveries
                         WHERE endpoint = ?1 AND state = 'pending' AND next_attempt_ms > ?2) AS pending
                     WHERE endpoint = ?1 AND deliveries.event = pending.event",
                )?
                .execute(params![endpoint.0, now_ms])?;
            Ok(())
        })
    }
}
