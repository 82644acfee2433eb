//! One request of a lane: sent, judged, and written down. A call's next event is sent only then.

use std::{collections::HashMap, sync::Arc};

use tokio::{task::JoinError, time::Instant};
use wholecall_store::{Attempt, EventId, Outgoing, StoreError, Tried, Verdict};

use super::{
    Context, health::MAX_PAUSE_MS, on_the_way::Request, schedule::delay_ms, sender::Outcome, target::Target,
};

/// How long an event waits that an endpoint refused because it had too much at once.
const OVERLOAD_DELAY_MS: i64 = 1_000;

/// So often that costs an event none of its attempts.
const MAX_EXCUSES: u8 = 5;

/// How soon the parts of a batch are tried that was refused as a whole.
const PART_DELAY_MS: i64 = 1_000;

/// Events that are sent in one request.
pub(super) struct Sending {
    pub(super) events: Vec<Outgoing>,
    /// How often the store had rewritten things when they were read.
    pub(super) rewrites: u64,
    pub(super) request: Request,
    pub(super) mode: Mode,
}

/// What a failure of a request says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    /// It is only to see whether the endpoint is back: the events go on waiting as they did.
    pub(super) is_probe: bool,
    /// The endpoint is recovering and may have too much at once: the events keep their attempts.
    pub(super) is_excused: bool,
    /// No other call fails, so that the fault is in one of the events.
    pub(super) is_alone: bool,
}

/// A request that is over, and what was written of it.
pub(super) struct Finished {
    pub(super) events: Vec<Outgoing>,
    pub(super) outcome: Outcome,
    pub(super) sent_ms: i64,
    /// When what failed is tried again; none: it is not.
    pub(super) next_ms: Option<i64>,
    pub(super) mode: Mode,
}

impl Finished {
    /// What the endpoint's health counts it under: all events of a batch fail together.
    pub(super) fn call(&self) -> String {
        let call = self.events.first().map(|event| match event.call_id.as_str() {
            "" => format!("{:?}", event.id),
            call => call.to_owned(),
        });
        call.unwrap_or_default()
    }
}

/// How often events were excused, until they get through.
#[derive(Debug, Default)]
pub(super) struct Excuses(HashMap<EventId, u8>);

impl Excuses {
    /// Whether events may be excused once more.
    pub(super) fn are_left(&self, events: &[Outgoing]) -> bool {
        events.iter().all(|event| self.0.get(&event.id).is_none_or(|count| *count < MAX_EXCUSES))
    }

    /// Counts a request that is over.
    pub(super) fn count(&mut self, finished: &Finished) {
        for event in &finished.events {
            match (finished.next_ms, finished.mode.is_excused) {
                (None, _) => drop(self.0.remove(&event.id)),
                (Some(_), true) => *self.0.entry(event.id).or_default() += 1,
                (Some(_), false) => {}
            }
        }
    }

    /// The endpoint is as it should be.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

pub(super) fn joined(done: Result<Result<Finished, StoreError>, JoinError>) -> Result<Finished, StoreError> {
    done.unwrap_or_else(|error| Err(StoreError::Failed(format!("a delivery ended by a panic: {error}"))))
}

/// Sends events in one request, and writes down what came of it.
pub(super) async fn attempt(
    context: Arc<Context>,
    target: Arc<Target>,
    sending: Sending,
) -> Result<Finished, StoreError> {
    let Sending { events, rewrites, request, mode } = sending;
    let sent_ms = context.now_ms();
    let started = Instant::now();
    let post = target
        .request(&events, sent_ms)
        .map_err(|error| StoreError::Damaged(format!("a record cannot be read: {error}")))?;
    let outcome = (context.post)(post).await;
    let duration_ms = started.elapsed().as_millis() as i64;
    // By the clock as it is now: it may have been set meanwhile.
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
    let mut tried = judge(&events, &outcome, mode, now_ms);
    let (written, next_ms) = request.arrived(|is_wanted_again| {
        for Tried { event, verdict } in &mut tried {
            if is_wanted_again(event.id) {
                *verdict = Verdict::Again { next_ms: now_ms, step: 0 };
            }
        }
        let next_ms = tried.iter().filter_map(|one| match one.verdict {
            Verdict::Again { next_ms, .. } => Some(next_ms),
            _ => None,
        });
        let next_ms = next_ms.min();
        let written = context.store.record(target.endpoint.number, attempt, tried, rewrites)?;
        Ok::<_, StoreError>((written, next_ms))
    })?;
    written.await.map_err(|_| StoreError::Closed)??;
    Ok(Finished { events, outcome, sent_ms, next_ms, mode })
}

/// What is to become of events after an attempt. What was tried together is due together, but for a batch that is
/// refused for what is in it: its halves are tried each by itself, until the event at fault is alone.
fn judge(events: &[Outgoing], outcome: &Outcome, mode: Mode, now_ms: i64) -> Vec<Tried> {
    let jitter = fastrand::f64();
    let is_tried_before = events.iter().all(|event| event.step > 0);
    let is_batch_at_fault = outcome.is_events_fault() || (mode.is_alone && is_tried_before);
    let is_parted = events.len() > 1 && !outcome.is_delivered() && !mode.is_probe && is_batch_at_fault;
    let judged = |(place, event): (usize, &Outgoing)| {
        let verdict = match is_parted {
            true => {
                let part = i64::from(place >= events.len() / 2);
                Verdict::Again { next_ms: now_ms + PART_DELAY_MS + part, step: event.step }
            }
            false => verdict(outcome, event.step, now_ms, jitter, mode),
        };
        Tried { event: event.clone(), verdict }
    };
    events.iter().enumerate().map(judged).collect()
}

fn verdict(outcome: &Outcome, step: u32, now_ms: i64, jitter: f64, mode: Mode) -> Verdict {
    if outcome.is_delivered() {
        return Verdict::Delivered;
    }
    if mode.is_probe {
        return Verdict::Unchanged;
    }
    let wish_ms = outcome.retry_after_ms.unwrap_or(0).min(MAX_PAUSE_MS);
    if mode.is_excused && !outcome.is_events_fault() {
        let delay_ms = OVERLOAD_DELAY_MS + (jitter * OVERLOAD_DELAY_MS as f64) as i64;
        return Verdict::Again { next_ms: now_ms + delay_ms.max(wish_ms), step };
    }
    match delay_ms(step + 1, jitter) {
        Some(delay_ms) => Verdict::Again { next_ms: now_ms + delay_ms.max(wish_ms), step: step + 1 },
        None => Verdict::Exhausted,
    }
}
