//! Stores attempts and the resulting state of deliveries.

use rusqlite::{OptionalExtension, Transaction, params};
use tokio::sync::oneshot;

use super::{
    delivery::{Attempt, DeliveryState},
    outgoing::Outgoing,
};
use crate::{Store, endpoints::EndpointId, error::Result, events::EventId};

/// Maximum number of attempts that are retained of a delivery, the latest ones: an endpoint that is down is probed for
/// days.
const MAX_RETAINED_ATTEMPTS: i64 = 100;

/// The consequence of an attempt for a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is delivered.
    Delivered,
    /// It is tried again.
    Again {
        /// When, milliseconds since 1970.
        next_attempt_ms: i64,
        /// Number of attempts of the retry schedule that were made.
        schedule_step: u32,
    },
    /// It is given up, and later events of the call are sent.
    Exhausted,
    /// It stays as it was: the attempt only probed whether the endpoint answers.
    Unchanged,
}

/// An event of an attempt, and the consequence for it.
#[derive(Debug)]
pub struct AttemptResult {
    /// The event.
    pub event: Outgoing,
    /// The consequence.
    pub verdict: Disposition,
}

/// Receives the result when an attempt is durable, or the error if it could not be written.
pub type DurableAck = oneshot::Receiver<Result<()>>;

impl Store {
    /// Stores an attempt and its consequences; the receiver gets the result when that is durable. `data_epoch` is the
    /// number of rewrites ([`Store::watch_data_epoch`]) when the events were read: if it is outdated, the answer is not
    /// stored, because it may repeat data that was erased since.
    pub fn record(
        &self,
        endpoint: EndpointId,
        mut attempt: Attempt,
        tried: Vec<AttemptResult>,
        data_epoch: u64,
    ) -> Result<DurableAck> {
        self.writer().submit(move |transaction, caches| {
            if !endpoint_exists(transaction, endpoint)? {
                return Ok(());
            }
            attempt.answer = attempt.answer.take().filter(|_| caches.data_epoch == data_epoch);
            for AttemptResult { event, verdict } in &tried {
                let outcome = match *verdict {
                    Disposition::Delivered => Some((DeliveryState::Delivered, event.schedule_step + 1, None)),
                    Disposition::Again { next_attempt_ms, schedule_step } => {
                        Some((DeliveryState::Pending, schedule_step, Some(next_attempt_ms)))
                    }
                    Disposition::Exhausted => Some((DeliveryState::Exhausted, event.schedule_step + 1, None)),
                    Disposition::Unchanged => None,
                };
                if let Some((state, schedule_step, next_attempt_ms)) = outcome {
                    save_state(transaction, endpoint, event, state, schedule_step, next_attempt_ms)?;
                }
                add_attempt(transaction, endpoint, event.id, &attempt)?;
            }
            Ok(())
        })
    }
}

/// Whether an endpoint still exists: it may have been removed during an attempt.
pub(super) fn endpoint_exists(transaction: &Transaction<'_>, endpoint: EndpointId) -> Result<bool> {
    Ok(transaction.prepare_cached("SELECT 1 FROM endpoints WHERE endpoint = ?1")?.exists([endpoint.0])?)
}

/// Stores the state of a delivery, unless its event was removed meanwhile.
pub(super) fn save_state(
    transaction: &Transaction<'_>,
    endpoint: EndpointId,
    event: &Outgoing,
    state: DeliveryState,
    schedule_step: u32,
    next_attempt_ms: Option<i64>,
) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO deliveries SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
             WHERE EXISTS (SELECT 1 FROM changes WHERE cursor = ?2)
                 OR EXISTS (SELECT 1 FROM notices WHERE notice = -?2)
             ON CONFLICT (endpoint, event) DO UPDATE
                 SET state = excluded.state, schedule_step = excluded.schedule_step,
                     next_attempt_ms = excluded.next_attempt_ms
                 -- A delivery that was superseded during an attempt stays superseded.
                 WHERE deliveries.state != 'superseded' OR excluded.state != 'pending'",
        )?
        .execute(params![
            endpoint.0,
            event.id.0,
            event.kind,
            event.version as i64,
            event.call_id,
            event.into_id,
            event.created_ms,
            state.as_str(),
            schedule_step,
            next_attempt_ms,
        ])?;
    Ok(())
}

fn add_attempt(
    transaction: &Transaction<'_>,
    endpoint: EndpointId,
    event: EventId,
    attempt: &Attempt,
) -> Result<()> {
    let number: Option<i64> = transaction
        .prepare_cached(
            "INSERT INTO attempts SELECT ?1, ?2,
                 (SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE endpoint = ?1 AND event = ?2),
                 ?3, ?4, ?5, ?6, ?7
             WHERE EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ?1 AND event = ?2) RETURNING number",
        )?
        .query_row(
            params![
                endpoint.0,
                event.0,
                attempt.started_ms,
                attempt.duration_ms,
                attempt.status,
                attempt.problem,
                attempt.answer
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(number) = number.filter(|number| *number > MAX_RETAINED_ATTEMPTS) {
        transaction
            .prepare_cached("DELETE FROM attempts WHERE endpoint = ?1 AND event = ?2 AND number <= ?3")?
            .execute(params![endpoint.0, event.0, number - MAX_RETAINED_ATTEMPTS])?;
    }
    Ok(())
}
