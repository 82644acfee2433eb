//! The worker of one endpoint: reads the events for it from the feed, sends them, and stores the results.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing::Instrument as _;
use wholecall_store::{DisabledReason, EventId, Outgoing, Position, StoreError};

use super::{
    Context,
    attempt::{AttemptRequest, CompletedAttempt, ExcusedFailures, Mode, attempt, joined},
    delivery_target::DeliveryTarget,
    endpoint_health::{EndpointHealth, Failure},
    queue::Queue,
    rate_limiter::RateLimiter,
    retry::MAX_RETRY_DELAY_MS,
};
use crate::blocking::blocking;

/// Maximum number of events that are read from the feed at once.
const MAX_READ_EVENTS: usize = 256;
/// Number of waiting events from which on no more are read.
const MAX_WAITING_EVENTS: usize = 128;

/// Minimum interval between reads of the feed: changes are often published together.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(10);

/// Interval at which the endpoint's progress is stored. After a crash, events since then are looked at again.
const SAVE_INTERVAL_MS: i64 = 1_000;

/// Maximum time for which a stop waits for requests in flight. Events without a stored result are sent again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Minimum difference from the monotonic clock that means that the clock was set.
const MIN_CLOCK_SET_MS: i64 = 1_500;

/// Delay before delivery is resumed after an error of the store.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Why serving a target ended.
enum End {
    Stopped,
    /// The endpoint was changed, disabled or removed.
    Changed,
}

/// The processed position of the feed, and the time since when the endpoint fails; `None` if it does not.
type Progress = (Position, Option<i64>);

/// Delivers to the current target until the endpoint is removed or the service stops.
pub(super) async fn run(
    context: Arc<Context>,
    mut targets: watch::Receiver<Option<Arc<DeliveryTarget>>>,
    mut stop: watch::Receiver<bool>,
) {
    // The progress is kept when the endpoint's settings change.
    let mut progress: Option<Progress> = None;
    loop {
        let target = targets.borrow_and_update().clone();
        let Some(target) = target else {
            tokio::select! {
                changed = targets.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        };
        let id = target.endpoint.id.clone();
        let mut worker = EndpointWorker::new(context.clone(), target, progress);
        let served = worker.serve(&mut targets, &mut stop).await;
        if let Err(error) = worker.end().await {
            tracing::warn!(endpoint = id, %error, "the progress of the endpoint could not be stored");
        }
        progress = Some(worker.progress());
        match served {
            Ok(End::Stopped) => return,
            Ok(End::Changed) if targets.has_changed().is_err() => return,
            Ok(End::Changed) => {}
            Err(error) => {
                tracing::error!(endpoint = id, %error, "delivery stopped and will resume in a second");
                sleep(RESTART_DELAY).await;
            }
        }
    }
}

struct EndpointWorker {
    context: Arc<Context>,
    target: Arc<DeliveryTarget>,
    queue: Queue,
    health: EndpointHealth,
    excused: ExcusedFailures,
    /// The pending event that the endpoint was last probed with; `None` before the first probe.
    last_probe: Option<EventId>,
    limiter: RateLimiter,
    requests: JoinSet<Result<CompletedAttempt, StoreError>>,
    /// The position up to which the feed was read.
    read_to: Position,
    /// Whether the feed may have more events after that.
    has_more: bool,
    next_read: Instant,
    /// When the next delivery in the store is due; `None` if none is pending.
    due_ms: Option<i64>,
    saved: Progress,
    saved_ms: i64,
    /// The last reading of the clock, and of the monotonic clock at the same time.
    last_reading: (i64, Instant),
    rewrites: watch::Receiver<u64>,
    /// The store's number of rewrites before the events in memory were read.
    rewrites_seen: u64,
}

impl EndpointWorker {
    fn new(context: Arc<Context>, target: Arc<DeliveryTarget>, progress: Option<Progress>) -> Self {
        let endpoint = &target.endpoint;
        let saved = progress.unwrap_or((endpoint.cursor, endpoint.failing_since_ms));
        let rewrites = context.store.watch_data_epoch();
        let rewrites_seen = *rewrites.borrow();
        Self {
            queue: Queue::default(),
            health: EndpointHealth::new(saved.1),
            excused: ExcusedFailures::default(),
            last_probe: None,
            limiter: RateLimiter::new(endpoint.settings.rate_limit),
            requests: JoinSet::new(),
            read_to: saved.0,
            has_more: true,
            next_read: Instant::now(),
            due_ms: Some(0),
            saved,
            saved_ms: 0,
            last_reading: (context.now_ms(), Instant::now()),
            rewrites,
            rewrites_seen,
            context,
            target,
        }
    }

    fn now_ms(&self) -> i64 {
        self.context.now_ms()
    }

    async fn serve(
        &mut self,
        targets: &mut watch::Receiver<Option<Arc<DeliveryTarget>>>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<End, StoreError> {
        let mut feed = self.context.store.watch_changes();
        let mut tenants = self.context.tenants.watch();
        self.limit_delays(self.now_ms()).await?;
        loop {
            while let Some(done) = self.requests.try_join_next() {
                self.finish(joined(done)?).await?;
            }
            let now_ms = self.now_ms();
            self.follow_clock(now_ms).await?;
            self.read_due(now_ms).await?;
            self.read_feed(now_ms).await?;
            self.follow_rewrites(now_ms);
            // Before dispatching: scheduled retries must not keep the endpoint from being probed.
            self.probe(now_ms).await?;
            self.dispatch(now_ms);
            if now_ms - self.saved_ms >= SAVE_INTERVAL_MS {
                self.save_progress(now_ms).await?;
            }
            let wake = self.sleep_for(now_ms);
            let done = tokio::select! {
                Some(done) = self.requests.join_next() => Some(done),
                _ = feed.changed(), if !self.has_more => {
                    self.has_more = true;
                    None
                }
                _ = self.rewrites.changed() => None,
                _ = tenants.changed() => {
                    // A redelivery may have been requested.
                    self.due_ms = Some(now_ms);
                    None
                }
                _ = targets.changed() => return Ok(End::Changed),
                _ = stop.wait_for(|stop| *stop) => return Ok(End::Stopped),
                () = sleep(wake) => None,
            };
            if let Some(done) = done {
                self.finish(joined(done)?).await?;
            }
        }
    }

    /// If the clock was set, shifts all times by the same amount, so that delays stay the same.
    async fn follow_clock(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let (last_ms, at) = std::mem::replace(&mut self.last_reading, (now_ms, Instant::now()));
        let set_by_ms = now_ms - last_ms - at.elapsed().as_millis() as i64;
        if set_by_ms.abs() <= MIN_CLOCK_SET_MS {
            return Ok(());
        }
        self.health.shift(set_by_ms);
        self.limiter.shift(set_by_ms);
        self.queue.shift(set_by_ms);
        self.saved_ms = now_ms;
        self.due_ms = Some(now_ms);
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        blocking(move || store.shift_due(number, now_ms - set_by_ms, set_by_ms)).await?;
        self.limit_delays(now_ms).await
    }

    /// Limits the delays of pending deliveries in the store to the longest delay of the schedule: the clock may have been
    /// set while the service was not running.
    async fn limit_delays(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        blocking(move || store.cap_due(number, now_ms + MAX_RETRY_DELAY_MS)).await
    }

    /// The time until the next deadline.
    fn sleep_for(&self, now_ms: i64) -> Duration {
        let has_room = self.queue.len() < MAX_WAITING_EVENTS;
        let due = self.due_ms.filter(|_| has_room);
        let probe = self.health.probe_due_ms().filter(|_| self.may_probe());
        let paused = Some(self.health.paused_until_ms()).filter(|until| *until > now_ms);
        let rate = Some(self.limiter.free_at_ms()).filter(|free| *free > now_ms && self.queue.len() > 0);
        let live = self.queue.next_live_ms(now_ms);
        let save = Some(self.saved_ms + SAVE_INTERVAL_MS).filter(|_| self.saved.0 != self.processed_to());
        let first = [due, probe, paused, rate, live, save].into_iter().flatten().min();
        let wake = first.map_or(60_000, |first| (first - now_ms).clamp(1, 60_000));
        let read = self.next_read.saturating_duration_since(Instant::now());
        let may_read = self.has_more && has_room && !self.health.is_down();
        let wake = Duration::from_millis(wake as u64);
        if may_read { wake.min(read) } else { wake }
    }

    /// Reads waiting events again after an erasure or retention has rewritten or removed stored calls.
    fn follow_rewrites(&mut self, now_ms: i64) {
        let rewrites = *self.rewrites.borrow();
        if rewrites != self.rewrites_seen {
            self.rewrites_seen = rewrites;
            self.read_to = self.processed_to();
            self.queue.clear_waiting();
            (self.due_ms, self.has_more) = (Some(now_ms), true);
        }
    }

    /// Reads the deliveries that are due from the store.
    async fn read_due(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let is_due = self.due_ms.is_some_and(|due| due <= now_ms);
        if !is_due || self.queue.len() >= MAX_WAITING_EVENTS {
            return Ok(());
        }
        // Some of them may be in memory already, at most as many as are read at once.
        let limit = 2 * MAX_READ_EVENTS;
        let (store, target) = (self.context.store.clone(), self.target.clone());
        let (due, next) = blocking(move || {
            let due = store.due(&target.endpoint, now_ms, limit)?;
            Ok((due, store.next_due(target.endpoint.number, now_ms)?))
        })
        .await?;
        self.due_ms = if due.len() == limit { Some(now_ms) } else { next };
        for event in due {
            if !self.queue.is_in_flight(event.id) {
                self.queue.push(event);
            }
        }
        Ok(())
    }

    /// Reads the next part of the feed. An event that follows a pending delivery of its call is queued behind it in the
    /// store.
    async fn read_feed(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let is_time = Instant::now() >= self.next_read;
        // While the endpoint is down, new events are read only to probe it with.
        let may_read = !self.health.is_down() || (self.is_probe_due(now_ms) && !self.queue.has_new());
        if !self.has_more || !is_time || !may_read || self.queue.len() >= MAX_WAITING_EVENTS {
            return Ok(());
        }
        self.next_read = Instant::now() + MIN_READ_INTERVAL;
        let (store, target, after) = (self.context.store.clone(), self.target.clone(), self.read_to);
        let (events, blocked, read_to, has_more) = blocking(move || {
            let fed = store.feed(&target.endpoint, after, MAX_READ_EVENTS)?;
            let has_more = fed.events.len() == MAX_READ_EVENTS;
            let mut events = Vec::with_capacity(fed.events.len());
            for event in fed.events {
                if target.should_receive(&store, &event)? {
                    events.push(event);
                }
            }
            let blocked = store.have_pending_predecessors(target.endpoint.number, &events)?;
            Ok((events, blocked, fed.read_to, has_more))
        })
        .await?;
        (self.read_to, self.has_more) = (read_to, has_more);
        let mut followers = Vec::new();
        for (event, is_blocked) in events.into_iter().zip(blocked) {
            if self.queue.is_in_flight(event.id) {
                continue;
            }
            match is_blocked {
                true => followers.push(event),
                false => self.queue.push(event),
            }
        }
        self.queue_in_store(followers, now_ms).await
    }

    /// Queues events in the store.
    async fn queue_in_store(&mut self, mut events: Vec<Outgoing>, now_ms: i64) -> Result<(), StoreError> {
        events.retain(|event| !event.is_persisted());
        if events.is_empty() {
            return Ok(());
        }
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        self.due_ms = Some(now_ms);
        blocking(move || store.enqueue_behind(number, events, now_ms)).await
    }

    /// Sends the events that may be sent now.
    fn dispatch(&mut self, now_ms: i64) {
        if now_ms < self.health.paused_until_ms() {
            return;
        }
        let (is_down, limit) = (self.health.is_down(), self.max_batch_events());
        while self.requests.len() < self.health.max_requests() && self.limiter.free_at_ms() <= now_ms {
            let events = self.queue.take(limit, now_ms, |event| !is_down || event.is_persisted());
            if events.is_empty() {
                return;
            }
            self.limiter.take(now_ms);
            self.send(events, now_ms, false);
        }
    }

    fn max_batch_events(&self) -> usize {
        self.target.endpoint.settings.batch.map_or(1, |batch| batch.max(1) as usize)
    }

    fn send(&mut self, events: Vec<Outgoing>, now_ms: i64, is_probe: bool) {
        self.health.request_sent(now_ms);
        let mode = Mode {
            is_probe,
            is_excused: self.health.is_recovering() && self.excused.are_left(&events),
            is_alone: !self.health.are_several_calls_failing(),
        };
        let in_flight = self.context.in_flight.begin(self.target.endpoint.number, &events);
        let request = AttemptRequest { events, rewrites: self.rewrites_seen, in_flight, mode };
        let attempt = attempt(self.context.clone(), self.target.clone(), request);
        self.requests.spawn(attempt.in_current_span());
    }

    /// Whether a probe may be sent: it is not sent beside another request.
    fn may_probe(&self) -> bool {
        self.requests.is_empty()
    }

    fn is_probe_due(&self, now_ms: i64) -> bool {
        self.health.probe_due_ms().is_some_and(|due| due <= now_ms) && self.may_probe()
    }

    /// Tests whether a failing endpoint is available, each time with an event of another call, since one call's events may
    /// always be refused. New events are used first, so that calls that fail do not delay new ones; the probe is their
    /// first attempt. Then pending events are used, independent of their schedule.
    async fn probe(&mut self, now_ms: i64) -> Result<(), StoreError> {
        if !self.is_probe_due(now_ms) {
            return Ok(());
        }
        let limit = self.max_batch_events();
        if self.health.is_down() {
            let new = self.queue.take(limit, now_ms, |event| !event.is_persisted());
            if !new.is_empty() {
                self.health.probe_sent(now_ms);
                self.send(new, now_ms, false);
                return Ok(());
            }
        }
        let (store, target, after) = (self.context.store.clone(), self.target.clone(), self.last_probe);
        let mut pending = blocking(move || store.next_pending(&target.endpoint, after, limit)).await?;
        let last = after.map_or(0, EventId::age_order);
        let ids = || pending.iter().map(|event| event.id);
        let Some(next) = ids().find(|id| id.age_order() > last).or_else(|| ids().next()) else {
            self.health.reset_failures();
            return Ok(());
        };
        self.last_probe = Some(next);
        self.health.probe_sent(now_ms);
        // Events in memory are sent by `dispatch`.
        pending.retain(|event| !self.queue.contains(event.id) && !self.queue.is_busy(event));
        if !pending.is_empty() {
            pending.iter().for_each(|event| self.queue.start(event));
            self.send(pending, now_ms, true);
        }
        Ok(())
    }

    /// Updates the health and the queue after an attempt.
    async fn finish(&mut self, completed: CompletedAttempt) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.excused.count(&completed);
        let call = completed.call();
        let CompletedAttempt { events, outcome, sent_ms, next_attempt_ms, mode } = completed;
        let is_delivered = outcome.is_delivered();
        self.context.metrics.count_deliveries(is_delivered, events.len());
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        if is_delivered {
            if self.health.succeeded(&call) || mode.is_probe {
                blocking(move || store.make_all_due(number, now_ms)).await?;
                (self.due_ms, self.has_more) = (Some(now_ms), true);
            }
            if !self.health.is_recovering() {
                self.excused.clear();
            }
        } else {
            self.health.failed(Failure {
                now_ms,
                sent_ms,
                call: &call,
                status: outcome.status,
                retry_after_ms: outcome.retry_after_ms,
                is_own_fault: outcome.is_events_fault(),
            });
            let reason = match outcome.status {
                Some(410) => Some(DisabledReason::Gone),
                // A clock that was set recently does not prove that days have passed.
                _ => (self.health.should_disable(now_ms) && self.context.clock.is_settled())
                    .then_some(DisabledReason::Failing),
            };
            if let Some(reason) = reason {
                self.disable(reason, now_ms).await?;
            }
        }
        self.due_ms = [self.due_ms, next_attempt_ms].into_iter().flatten().min();
        for event in &events {
            if next_attempt_ms.is_some() {
                let followers = self.queue.take_followers(event);
                self.queue_in_store(followers, now_ms).await?;
            }
            if event.is_persisted() {
                // Deliveries that are queued behind it may be sent.
                self.due_ms = Some(now_ms);
            }
            self.queue.finish(event);
        }
        Ok(())
    }

    async fn disable(&mut self, reason: DisabledReason, now_ms: i64) -> Result<(), StoreError> {
        let endpoint = &self.target.endpoint;
        tracing::warn!(endpoint = endpoint.id, reason = reason.as_str(), "the endpoint was disabled");
        let (store, number, tenants) =
            (self.context.store.clone(), endpoint.number, self.context.tenants.clone());
        blocking(move || {
            store.disable_endpoint(number, reason, now_ms)?;
            tenants.refresh()
        })
        .await
    }

    /// The position up to which every event is delivered, queued in the store, or not for this endpoint.
    fn processed_to(&self) -> Position {
        self.queue.oldest_change().map_or(self.read_to, |oldest| Position(oldest.0 - 1))
    }

    fn progress(&self) -> Progress {
        (self.processed_to(), self.health.failing_since_ms())
    }

    /// Stores the progress if it has changed.
    async fn save_progress(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let now = self.progress();
        let before = std::mem::replace(&mut self.saved, now);
        self.saved_ms = now_ms;
        if now == before {
            return Ok(());
        }
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        blocking(move || {
            if now.0 > before.0 {
                store.set_endpoint_cursor(number, now.0)?;
            }
            if now.1 != before.1 {
                store.set_endpoint_failing(number, now.1)?;
            }
            Ok(())
        })
        .await
    }

    /// Waits for requests in flight, for a limited time, and stores the progress.
    async fn end(&mut self) -> Result<(), StoreError> {
        let drained = timeout(DRAIN_TIMEOUT, async {
            while let Some(done) = self.requests.join_next().await {
                self.finish(joined(done)?).await?;
            }
            Ok::<_, StoreError>(())
        })
        .await;
        self.requests.shutdown().await;
        if let Ok(result) = drained {
            result?;
        }
        self.save_progress(self.now_ms()).await
    }
}

#[cfg(test)]
mod tests;
