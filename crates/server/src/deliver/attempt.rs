//! One request of an endpoint worker: sends events and stores the result. The next event of a call is sent only after
//! that.

use std::{collections::HashMap, sync::Arc};

use tokio::{task::JoinError, time::Instant};
use wholecall_store::{Attempt, AttemptResult, Disposition, EventId, Outgoing, StoreError};

use super::{
    Context, delivery_target::DeliveryTarget, endpoint_health::MAX_PAUSE_MS, in_flight::RequestInFlight,
    retry::retry_delay_ms, sender::Outcome,
};

/// Minimum delay before an event is sent again that an overloaded endpoint refused; jitter at most doubles it.
const OVERLOAD_DELAY_MS: i64 = 1_000;

/// Maximum number of failures of an event that do not count as attempts of its schedule.
const MAX_EXCUSED_FAILURES: u8 = 5;

/// Delay before the halves of a batch are sent after the batch was refused as a whole.
const SPLIT_DELAY_MS: i64 = 1_000;

/// Events that are sent in one request.
pub(super) struct AttemptRequest {
    pub(super) events: Vec<Outgoing>,
    /// The store's number of rewrites when the events were read.
    pub(super) rewrites: u64,
    pub(super) in_flight: RequestInFlight,
    pub(super) mode: Mode,
}

/// How a failure of a request is interpreted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    /// The request only tests whether the endpoint is available: a failure leaves the events' schedules unchanged.
    pub(super) is_probe: bool,
    /// The endpoint is recovering and may be overloaded: a failure does not count as an attempt.
    pub(super) is_excused: bool,
    /// No other call fails, so the cause is in one of the events.
    pub(super) is_alone: bool,
}

/// A completed attempt, after its result was stored.
pub(super) struct CompletedAttempt {
    pub(super) events: Vec<Outgoing>,
    pub(super) outcome: Outcome,
    pub(super) sent_ms: i64,
    /// When the events are retried; `None` if none of them is.
    pub(super) next_attempt_ms: Option<i64>,
    pub(super) mode: Mode,
}

impl CompletedAttempt {
    /// The call that the endpoint's health counts the attempt under: all events of a batch fail together.
    pub(super) fn call(&self) -> String {
        let call = self.events.first().map(|event| match event.call_id.as_str() {
            "" => format!("{:?}", event.id),
            call => call.to_owned(),
        });
        call.unwrap_or_default()
    }
}

/// Number of excused failures of each event until it is delivered.
#[derive(Debug, Default)]
pub(super) struct ExcusedFailures(HashMap<EventId, u8>);

impl ExcusedFailures {
    /// Whether another failure of these events may be excused.
    pub(super) fn are_left(&self, events: &[Outgoing]) -> bool {
        events.iter().all(|event| self.0.get(&event.id).is_none_or(|count| *count < MAX_EXCUSED_FAILURES))
    }

    pub(super) fn count(&mut self, completed: &CompletedAttempt) {
        for event in &completed.events {
            match (completed.next_attempt_ms, completed.mode.is_excused) {
                (None, _) => drop(self.0.remove(&event.id)),
                (Some(_), true) => *self.0.entry(event.id).or_default() += 1,
                (Some(_), false) => {}
            }
        }
    }

    /// Forgets all failures, once the endpoint has recovered.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The result of a task that made an attempt; a panic becomes an error.
pub(super) fn joined(
    done: Result<Result<CompletedAttempt, StoreError>, JoinError>,
) -> Result<CompletedAttempt, StoreError> {
    done.unwrap_or_else(|error| Err(StoreError::Failed(format!("a delivery ended by a panic: {error}"))))
}

/// Sends events in one request and stores the result.
pub(super) async fn attempt(
    context: Arc<Context>,
    target: Arc<DeliveryTarget>,
    request: AttemptRequest,
) -> Result<CompletedAttempt, StoreError> {
    let AttemptRequest { events, rewrites, in_flight, mode } = request;
    let sent_ms = context.now_ms();
    let started = Instant::now();
    let post = target
        .request(&events, sent_ms)
        .map_err(|error| StoreError::Damaged(format!("a record cannot be read: {error}")))?;
    let outcome = (context.post)(post).await;
    let duration_ms = started.elapsed().as_millis() as i64;
    // Read again: the clock may have been set during the request.
    let now_ms = context.now_ms();
    if let Some(ahead_ms) = outcome.ahead_ms {
        let (tenant, host) = (target.endpoint.tenant, target.host());
        context.metrics.clock.receiver(tenant, host, ahead_ms);
    }
    let attempt = Attempt {
        started_ms: sent_ms,
        duration_ms,
        status: outcome.status,
        problem: outcome.problem.clone(),
        answer: outcome.answer.clone(),
    };
    let mut tried = assess(&events, &outcome, mode, now_ms);
    let (written, next_attempt_ms) = in_flight.complete(|is_redelivery_requested| {
        for AttemptResult { event, verdict } in &mut tried {
            if is_redelivery_requested(event.id) {
                *verdict = Disposition::Again { next_attempt_ms: now_ms, schedule_step: 0 };
            }
        }
        let next_attempt_ms = tried.iter().filter_map(|one| match one.verdict {
            Disposition::Again { next_attempt_ms, .. } => Some(next_attempt_ms),
            _ => None,
        });
        let next_attempt_ms = next_attempt_ms.min();
        let written = context.store.record(target.endpoint.number, attempt, tried, rewrites)?;
        Ok::<_, StoreError>((written, next_attempt_ms))
    })?;
    written.await.map_err(|_| StoreError::Closed)??;
    Ok(CompletedAttempt { events, outcome, sent_ms, next_attempt_ms, mode })
}

/// Decides what happens to events after an attempt. Events that were sent together are retried together, except after a
/// batch was refused for its content: then each half is sent by itself, until the event at fault is alone.
fn assess(events: &[Outgoing], outcome: &Outcome, mode: Mode, now_ms: i64) -> Vec<AttemptResult> {
    let jitter = fastrand::f64();
    let is_retry = events.iter().all(|event| event.schedule_step > 0);
    let is_batch_at_fault = outcome.is_events_fault() || (mode.is_alone && is_retry);
    let is_split = events.len() > 1 && !outcome.is_delivered() && !mode.is_probe && is_batch_at_fault;
    let assessed = |(index, event): (usize, &Outgoing)| {
        let verdict = match is_split {
            true => {
                let half = i64::from(index >= events.len() / 2);
                Disposition::Again {
                    next_attempt_ms: now_ms + SPLIT_DELAY_MS + half,
                    schedule_step: event.schedule_step,
                }
            }
            false => verdict(outcome, event.schedule_step, now_ms, jitter, mode),
        };
        AttemptResult { event: event.clone(), verdict }
    };
    events.iter().enumerate().map(assessed).collect()
}

fn verdict(outcome: &Outcome, schedule_step: u32, now_ms: i64, jitter: f64, mode: Mode) -> Disposition {
    if outcome.is_delivered() {
        return Disposition::Delivered;
    }
    if mode.is_probe {
        return Disposition::Unchanged;
    }
    let requested_ms = outcome.retry_after_ms.unwrap_or(0).min(MAX_PAUSE_MS);
    if mode.is_excused && !outcome.is_events_fault() {
        let delay_ms = OVERLOAD_DELAY_MS + (jitter * OVERLOAD_DELAY_MS as f64) as i64;
        return Disposition::Again { next_attempt_ms: now_ms + delay_ms.max(requested_ms), schedule_step };
    }
    match retry_delay_ms(schedule_step + 1, jitter) {
        Some(delay_ms) => Disposition::Again {
            next_attempt_ms: now_ms + delay_ms.max(requested_ms),
            schedule_step: schedule_step + 1,
        },
        None => Disposition::Exhausted,
    }
}
