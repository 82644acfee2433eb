//! The lane of one endpoint: takes what it wants from the feed, sends it, and keeps what came of it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use wholecall_store::{Disabled, EventId, Outgoing, Position, StoreError};

use super::{
    Context,
    attempt::{Excuses, Finished, Mode, Sending, attempt, joined},
    blocking,
    health::{Failure, Health},
    queue::Queue,
    schedule::{MAX_DELAY_MS, Pace},
    target::Target,
};

/// So much of the feed, or of what is due, is read at once, and only while less than the other is at hand.
const READ_AT_ONCE: usize = 256;
const AT_HAND: usize = 128;

/// The feed is not read more often: many changes come together.
const READ_EVERY: Duration = Duration::from_millis(10);

/// How often it is noted how far the endpoint is: after a crash, that much is looked at again.
const NOTE_EVERY_MS: i64 = 1_000;

/// So long a stop waits for requests that are on their way; what is not noted is sent again.
const DRAIN: Duration = Duration::from_secs(2);

/// A difference from the monotonic clock by which the clock was set.
const CLOCK_IS_SET_MS: i64 = 1_500;

/// After an error of the store.
const REST: Duration = Duration::from_secs(1);

enum End {
    Stopped,
    Changed,
}

/// Delivers to what is wanted until that is removed, or the service stops.
pub(super) async fn run(
    context: Arc<Context>,
    mut wanted: watch::Receiver<Option<Arc<Target>>>,
    mut stop: watch::Receiver<bool>,
) {
    // What was come to, and whether it failed, outlives a change of the address.
    let mut left: Option<(Position, Option<i64>)> = None;
    loop {
        let target = wanted.borrow_and_update().clone();
        let Some(target) = target else {
            tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        };
        let id = target.endpoint.id.clone();
        let mut lane = Lane::new(context.clone(), target, left);
        let served = lane.serve(&mut wanted, &mut stop).await;
        if let Err(error) = lane.end().await {
            tracing::warn!(endpoint = id, %error, "how far it is could not be noted");
        }
        left = Some((lane.dealt_with(), lane.health.failing_since_ms()));
        match served {
            Ok(End::Stopped) => return,
            Ok(End::Changed) if wanted.has_changed().is_err() => return,
            Ok(End::Changed) => {}
            Err(error) => {
                tracing::error!(endpoint = id, %error, "delivering stopped; it will be tried again in a second");
                sleep(REST).await;
            }
        }
    }
}

struct Lane {
    context: Arc<Context>,
    target: Arc<Target>,
    queue: Queue,
    health: Health,
    excuses: Excuses,
    /// The waiting event with which the endpoint was probed last.
    probed: Option<EventId>,
    pace: Pace,
    running: JoinSet<Result<Finished, StoreError>>,
    /// Up to where the feed was read, and whether it may have more.
    read_to: Position,
    has_more: bool,
    next_read: Instant,
    /// When the first of the deliveries in the store is due.
    due_ms: Option<i64>,
    noted: (Position, Option<i64>),
    noted_ms: i64,
    /// When the clock was looked at last, by itself and by the monotonic one.
    looked: (i64, Instant),
    rewrites: watch::Receiver<u64>,
    /// How often the store had rewritten things before the first of what is at hand was read.
    rewrites_seen: u64,
}

impl Lane {
    fn new(context: Arc<Context>, target: Arc<Target>, left: Option<(Position, Option<i64>)>) -> Self {
        let endpoint = &target.endpoint;
        let noted = left.unwrap_or((endpoint.cursor, endpoint.failing_since_ms));
        let rewrites = context.store.watch_rewrites();
        let rewrites_seen = *rewrites.borrow();
        Self {
            queue: Queue::default(),
            health: Health::new(noted.1),
            excuses: Excuses::default(),
            probed: None,
            pace: Pace::new(endpoint.settings.rate_limit),
            running: JoinSet::new(),
            read_to: noted.0,
            has_more: true,
            next_read: Instant::now(),
            due_ms: Some(0),
            noted,
            noted_ms: 0,
            looked: (context.now_ms(), Instant::now()),
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
        wanted: &mut watch::Receiver<Option<Arc<Target>>>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<End, StoreError> {
        let mut feed = self.context.store.watch_changes();
        let mut tenants = self.context.tenants.watch();
        self.pull_in(self.now_ms()).await?;
        loop {
            while let Some(done) = self.running.try_join_next() {
                self.finish(joined(done)?).await?;
            }
            let now_ms = self.now_ms();
            self.follow_clock(now_ms).await?;
            self.read_due(now_ms).await?;
            self.read_feed(now_ms).await?;
            self.follow_rewrites(now_ms);
            // First: what is tried again by its schedule may not keep the endpoint from being probed.
            self.probe(now_ms).await?;
            self.dispatch(now_ms);
            if now_ms - self.noted_ms >= NOTE_EVERY_MS {
                self.note(now_ms).await?;
            }
            let wake = self.sleep_for(now_ms);
            let done = tokio::select! {
                Some(done) = self.running.join_next() => Some(done),
                _ = feed.changed(), if !self.has_more => {
                    self.has_more = true;
                    None
                }
                _ = self.rewrites.changed() => None,
                _ = tenants.changed() => {
                    // Somebody wants something sent again, perhaps.
                    self.due_ms = Some(now_ms);
                    None
                }
                _ = wanted.changed() => return Ok(End::Changed),
                _ = stop.wait_for(|stop| *stop) => return Ok(End::Stopped),
                () = sleep(wake) => None,
            };
            if let Some(done) = done {
                self.finish(joined(done)?).await?;
            }
        }
    }

    /// The clock was set, perhaps: what waits, waits as long as before.
    async fn follow_clock(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let (looked_ms, at) = std::mem::replace(&mut self.looked, (now_ms, Instant::now()));
        let set_by_ms = now_ms - looked_ms - at.elapsed().as_millis() as i64;
        if set_by_ms.abs() <= CLOCK_IS_SET_MS {
            return Ok(());
        }
        self.health.shift(set_by_ms);
        self.pace.shift(set_by_ms);
        self.queue.shift(set_by_ms);
        self.noted_ms = now_ms;
        self.due_ms = Some(now_ms);
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        blocking(move || store.shift_due(number, now_ms - set_by_ms, set_by_ms)).await?;
        self.pull_in(now_ms).await
    }

    /// What waits in the store waits for no longer than the longest back-off, whatever the clock showed when it failed: it
    /// may have been set while nothing ran.
    async fn pull_in(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        blocking(move || store.pull_in(number, now_ms + MAX_DELAY_MS)).await
    }

    /// Until something has to be done though nothing happens.
    fn sleep_for(&self, now_ms: i64) -> Duration {
        let has_room = self.queue.len() < AT_HAND;
        let due = self.due_ms.filter(|_| has_room);
        let probe = self.health.probe_due_ms().filter(|_| self.may_probe());
        let paused = Some(self.health.paused_until_ms()).filter(|until| *until > now_ms);
        let pace = Some(self.pace.free_at_ms()).filter(|free| *free > now_ms && self.queue.len() > 0);
        let live = self.queue.next_live_ms(now_ms);
        let note = Some(self.noted_ms + NOTE_EVERY_MS).filter(|_| self.noted.0 != self.dealt_with());
        let first = [due, probe, paused, pace, live, note].into_iter().flatten().min();
        let wake = first.map_or(60_000, |first| (first - now_ms).clamp(1, 60_000));
        let read = self.next_read.saturating_duration_since(Instant::now());
        let may_read = self.has_more && has_room && !self.health.is_down();
        let wake = Duration::from_millis(wake as u64);
        if may_read { wake.min(read) } else { wake }
    }

    /// Somebody was erased, or what is over its time was removed: what waits is read again as it is kept now.
    fn follow_rewrites(&mut self, now_ms: i64) {
        let rewrites = *self.rewrites.borrow();
        if rewrites != self.rewrites_seen {
            self.rewrites_seen = rewrites;
            self.read_to = self.dealt_with();
            self.queue.forget_waiting();
            (self.due_ms, self.has_more) = (Some(now_ms), true);
        }
    }

    /// Takes what is due from the deliveries that wait.
    async fn read_due(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let is_due = self.due_ms.is_some_and(|due| due <= now_ms);
        if !is_due || self.queue.len() >= AT_HAND {
            return Ok(());
        }
        // More than what may be at hand already.
        let limit = 2 * READ_AT_ONCE;
        let (store, target) = (self.context.store.clone(), self.target.clone());
        let (due, next) = blocking(move || {
            let due = store.due(&target.endpoint, now_ms, limit)?;
            Ok((due, store.next_due(target.endpoint.number, now_ms)?))
        })
        .await?;
        self.due_ms = if due.len() == limit { Some(now_ms) } else { next };
        for event in due {
            if !self.queue.is_on_the_way(event.id) {
                self.queue.push(event);
            }
        }
        Ok(())
    }

    /// Takes the next part of the feed. What comes after something of the same call that waits has to wait with it.
    async fn read_feed(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let is_time = Instant::now() >= self.next_read;
        // While it is down, only to have something new to probe it with.
        let is_wanted = !self.health.is_down() || (self.is_probe_due(now_ms) && !self.queue.has_new());
        if !self.has_more || !is_time || !is_wanted || self.queue.len() >= AT_HAND {
            return Ok(());
        }
        self.next_read = Instant::now() + READ_EVERY;
        let (store, target, after) = (self.context.store.clone(), self.target.clone(), self.read_to);
        let (events, blocked, read_to, has_more) = blocking(move || {
            let fed = store.feed(&target.endpoint, after, READ_AT_ONCE)?;
            let has_more = fed.events.len() == READ_AT_ONCE;
            let mut events = Vec::with_capacity(fed.events.len());
            for event in fed.events {
                if target.wants(&store, &event)? {
                    events.push(event);
                }
            }
            let blocked = store.blocked(target.endpoint.number, &events)?;
            Ok((events, blocked, fed.read_to, has_more))
        })
        .await?;
        (self.read_to, self.has_more) = (read_to, has_more);
        let mut waiting = Vec::new();
        for (event, is_blocked) in events.into_iter().zip(blocked) {
            if self.queue.is_on_the_way(event.id) {
                continue;
            }
            match is_blocked {
                true => waiting.push(event),
                false => self.queue.push(event),
            }
        }
        self.hold(waiting, now_ms).await
    }

    /// Lets events wait in the store.
    async fn hold(&mut self, mut events: Vec<Outgoing>, now_ms: i64) -> Result<(), StoreError> {
        events.retain(|event| !event.is_held());
        if events.is_empty() {
            return Ok(());
        }
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        self.due_ms = Some(now_ms);
        blocking(move || store.hold(number, events, now_ms)).await
    }

    /// Sends what may be sent.
    fn dispatch(&mut self, now_ms: i64) {
        if now_ms < self.health.paused_until_ms() {
            return;
        }
        let (is_down, at_most) = (self.health.is_down(), self.most_in_a_request());
        while self.running.len() < self.health.max_requests() && self.pace.free_at_ms() <= now_ms {
            let events = self.queue.take(at_most, now_ms, |event| !is_down || event.is_held());
            if events.is_empty() {
                return;
            }
            self.pace.take(now_ms);
            self.send(events, now_ms, false);
        }
    }

    fn most_in_a_request(&self) -> usize {
        self.target.endpoint.settings.batch.map_or(1, |batch| batch.max(1) as usize)
    }

    fn send(&mut self, events: Vec<Outgoing>, now_ms: i64, is_probe: bool) {
        self.health.tried(now_ms);
        let mode = Mode {
            is_probe,
            is_excused: self.health.is_recovering() && self.excuses.are_left(&events),
            is_alone: !self.health.do_several_fail(),
        };
        let request = self.context.on_the_way.set_out(self.target.endpoint.number, &events);
        let sending = Sending { events, rewrites: self.rewrites_seen, request, mode };
        self.running.spawn(attempt(self.context.clone(), self.target.clone(), sending));
    }

    /// Whether there is room for a probe: only what is tried by its schedule is in flight while an endpoint is down.
    fn may_probe(&self) -> bool {
        self.running.is_empty()
    }

    fn is_probe_due(&self, now_ms: i64) -> bool {
        self.health.probe_due_ms().is_some_and(|due| due <= now_ms) && self.may_probe()
    }

    /// Looks whether an endpoint that fails is back, each time with an event of another call: one that was refused may
    /// be refused for ever. First with what was never sent, so that new calls are not held up by those that fail; that
    /// is its first attempt. Then with what waits, outside of its schedule.
    async fn probe(&mut self, now_ms: i64) -> Result<(), StoreError> {
        if !self.is_probe_due(now_ms) {
            return Ok(());
        }
        let limit = self.most_in_a_request();
        if self.health.is_down() {
            let new = self.queue.take(limit, now_ms, |event| !event.is_held());
            if !new.is_empty() {
                self.health.probed(now_ms);
                self.send(new, now_ms, false);
                return Ok(());
            }
        }
        let (store, target, after) = (self.context.store.clone(), self.target.clone(), self.probed);
        let mut waiting = blocking(move || store.next_pending(&target.endpoint, after, limit)).await?;
        let passed = after.map_or(0, EventId::age_order);
        let ids = || waiting.iter().map(|event| event.id);
        let Some(next) = ids().find(|id| id.age_order() > passed).or_else(|| ids().next()) else {
            self.health.give_another_chance();
            return Ok(());
        };
        self.probed = Some(next);
        self.health.probed(now_ms);
        // What is at hand goes by itself.
        waiting.retain(|event| !self.queue.has(event.id) && !self.queue.is_busy(event));
        if !waiting.is_empty() {
            waiting.iter().for_each(|event| self.queue.start(event));
            self.send(waiting, now_ms, true);
        }
        Ok(())
    }

    /// Draws the conclusions from a request that is over.
    async fn finish(&mut self, finished: Finished) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.excuses.count(&finished);
        let call = finished.call();
        let Finished { events, outcome, sent_ms, next_ms, mode } = finished;
        let is_delivered = outcome.is_delivered();
        self.context.metrics.count_deliveries(is_delivered, events.len());
        let (store, number) = (self.context.store.clone(), self.target.endpoint.number);
        if is_delivered {
            if self.health.succeeded(&call) || mode.is_probe {
                blocking(move || store.release(number, now_ms)).await?;
                (self.due_ms, self.has_more) = (Some(now_ms), true);
            }
            if !self.health.is_recovering() {
                self.excuses.forget();
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
            let why = match outcome.status {
                Some(410) => Some(Disabled::Gone),
                // Days that only a clock has seen which was just set are none.
                _ => (self.health.is_hopeless(now_ms) && self.context.clock.is_settled())
                    .then_some(Disabled::Failing),
            };
            if let Some(why) = why {
                self.disable(why, now_ms).await?;
            }
        }
        self.due_ms = [self.due_ms, next_ms].into_iter().flatten().min();
        for event in &events {
            if next_ms.is_some() {
                let followers = self.queue.take_followers(event);
                self.hold(followers, now_ms).await?;
            }
            if event.is_held() {
                // What waited for it may go.
                self.due_ms = Some(now_ms);
            }
            self.queue.finished(event);
        }
        Ok(())
    }

    async fn disable(&mut self, why: Disabled, now_ms: i64) -> Result<(), StoreError> {
        let endpoint = &self.target.endpoint;
        tracing::warn!(endpoint = endpoint.id, reason = why.as_str(), "nothing more is delivered");
        let (store, number, tenants) =
            (self.context.store.clone(), endpoint.number, self.context.tenants.clone());
        blocking(move || {
            store.disable_endpoint(number, why, now_ms)?;
            tenants.refresh()
        })
        .await
    }

    /// Up to here, everything is delivered, among the store's deliveries, or not for this endpoint.
    fn dealt_with(&self) -> Position {
        self.queue.oldest().map_or(self.read_to, |oldest| Position(oldest.0 - 1))
    }

    /// Notes how far the endpoint is and since when it fails, where that has changed.
    async fn note(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let now = (self.dealt_with(), self.health.failing_since_ms());
        let before = std::mem::replace(&mut self.noted, now);
        self.noted_ms = now_ms;
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

    /// Waits for what is on its way, shortly, and notes how far it is.
    async fn end(&mut self) -> Result<(), StoreError> {
        let drained = timeout(DRAIN, async {
            while let Some(done) = self.running.join_next().await {
                self.finish(joined(done)?).await?;
            }
            Ok::<_, StoreError>(())
        })
        .await;
        self.running.shutdown().await;
        if let Ok(result) = drained {
            result?;
        }
        self.note(self.now_ms()).await
    }
}

#[cfg(test)]
mod tests;
