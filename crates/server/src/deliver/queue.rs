//! The events of one endpoint that are in memory, and the order in which they are sent: events of one call one after the
//! other, events of different calls in parallel.

use std::collections::{BTreeMap, HashMap, HashSet};

use wholecall_store::{EventId, Outgoing, Position};

/// Minimum interval between live versions of one call.
const MIN_LIVE_INTERVAL_MS: i64 = 1_000;

/// Events that are waiting to be sent, and those in flight.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<EventId, Outgoing>,
    /// Calls with an event in flight.
    busy_calls: HashSet<String>,
    in_flight: HashSet<EventId>,
    /// When the last live version of a call was sent.
    live_sent_ms: HashMap<String, i64>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether an event is waiting that was never sent.
    pub(crate) fn has_new(&self) -> bool {
        self.waiting.values().any(|event| !event.is_persisted())
    }

    /// Whether an event is waiting or in flight.
    pub(crate) fn contains(&self, id: EventId) -> bool {
        self.waiting.contains_key(&id) || self.is_in_flight(id)
    }

    /// Whether an event is in flight.
    pub(crate) fn is_in_flight(&self, id: EventId) -> bool {
        self.in_flight.contains(&id)
    }

    /// Removes all waiting events, which the caller then reads again.
    pub(crate) fn clear_waiting(&mut self) {
        self.waiting.clear();
    }

    /// The oldest change in memory; `None` if there is none. All changes before it in the feed are processed.
    pub(crate) fn oldest_change(&self) -> Option<Position> {
        let waiting = self.waiting.values().filter(|event| !event.is_persisted()).map(|event| event.id);
        waiting.chain(self.in_flight.iter().copied()).filter_map(EventId::cursor).min()
    }

    /// Follows a clock that was set by `by_ms`.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        self.live_sent_ms.values_mut().for_each(|sent_ms| *sent_ms += by_ms);
    }

    /// Adds an event. It replaces waiting live versions of its call, unless they are in the store's queue.
    pub(crate) fn push(&mut self, event: Outgoing) {
        if event.version > 0 {
            let is_outdated = |other: &Outgoing| {
                other.is_live_version() && !other.is_persisted() && other.call_id == event.call_id
            };
            self.waiting.retain(|id, other| *id > event.id || !is_outdated(other));
        }
        self.waiting.insert(event.id, event);
    }

    /// Takes at most `limit` events that may be sent now, in order, and marks them as in flight. Events that were sent
    /// together have the same due time and are sent together again, without others.
    pub(crate) fn take(
        &mut self,
        limit: usize,
        now_ms: i64,
        may_send: impl Fn(&Outgoing) -> bool,
    ) -> Vec<Outgoing> {
        let mut calls_before: HashSet<&str> = HashSet::new();
        let mut ready = Vec::new();
        let mut due_ms = None;
        for (id, event) in &self.waiting {
            if ready.len() == limit {
                break;
            }
            let is_free =
                event.calls().all(|call| !self.busy_calls.contains(call) && !calls_before.contains(call));
            let is_same_batch = due_ms.is_none_or(|due_ms| due_ms == event.due_ms);
            if is_free && is_same_batch && may_send(event) && self.live_due_ms(event) <= now_ms {
                due_ms = Some(event.due_ms);
                ready.push(*id);
            }
            calls_before.extend(event.calls());
        }
        ready.into_iter().filter_map(|id| self.send(id, now_ms)).collect()
    }

    fn send(&mut self, id: EventId, now_ms: i64) -> Option<Outgoing> {
        let event = self.waiting.remove(&id)?;
        self.start(&event);
        if event.is_live_version() {
            self.live_sent_ms.retain(|_, sent| now_ms - *sent < MIN_LIVE_INTERVAL_MS);
            self.live_sent_ms.insert(event.call_id.clone(), now_ms);
        }
        Some(event)
    }

    /// Marks an event as in flight.
    pub(crate) fn start(&mut self, event: &Outgoing) {
        self.busy_calls.extend(event.calls().map(str::to_owned));
        self.in_flight.insert(event.id);
    }

    /// Whether an event of one of these calls is in flight.
    pub(crate) fn is_busy(&self, event: &Outgoing) -> bool {
        event.calls().any(|call| self.busy_calls.contains(call))
    }

    /// Marks an event as no longer in flight.
    pub(crate) fn finish(&mut self, event: &Outgoing) {
        for call in event.calls() {
            self.busy_calls.remove(call);
        }
        self.in_flight.remove(&event.id);
    }

    /// Removes and returns the waiting events that have to be sent after an event.
    pub(crate) fn take_followers(&mut self, event: &Outgoing) -> Vec<Outgoing> {
        let mut calls: HashSet<String> = event.calls().map(str::to_owned).collect();
        let mut followers = Vec::new();
        // In order: an event that follows a merge also follows what the merge follows.
        let ids: Vec<EventId> = self.waiting.keys().copied().collect();
        for id in ids {
            let follows = self.waiting[&id].calls().any(|call| calls.contains(call));
            if follows && let Some(follower) = self.waiting.remove(&id) {
                calls.extend(follower.calls().map(str::to_owned));
                followers.push(follower);
            }
        }
        followers
    }

    /// When the next live version is due that waits only for the minimum interval; `None` if none does.
    pub(crate) fn next_live_ms(&self, now_ms: i64) -> Option<i64> {
        self.waiting.values().map(|event| self.live_due_ms(event)).filter(|due| *due > now_ms).min()
    }

    fn live_due_ms(&self, event: &Outgoing) -> i64 {
        let sent = self.live_sent_ms.get(&event.call_id).filter(|_| event.is_live_version());
        sent.map_or(0, |sent| sent + MIN_LIVE_INTERVAL_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: i64, call: &str, kind: &str) -> Outgoing {
        Outgoing {
            id: EventId::of_change(Position(number)),
            kind: format!("call.{kind}"),
            version: if kind == "merged" { 0 } else { number as u64 },
            created_ms: 0,
            call_id: call.to_owned(),
            into_id: None,
            listed: Vec::new(),
            data: "{}".to_owned(),
            before: None,
            schedule_step: 0,
            due_ms: None,
        }
    }

    fn queue(events: impl IntoIterator<Item = Outgoing>) -> Queue {
        let mut queue = Queue::default();
        events.into_iter().for_each(|event| queue.push(event));
        queue
    }

    fn ids(events: &[Outgoing]) -> Vec<i64> {
        events.iter().map(|event| event.id.cursor().unwrap().0).collect()
    }

    #[test]
    fn events_of_one_call_are_sent_one_after_the_other() {
        let events = [event(1, "a", "started"), event(2, "b", "started"), event(3, "a", "completed")];
        let mut queue = queue(events);
        let first = queue.take(10, 0, |_| true);
        assert_eq!(ids(&first), [1, 2]);
        assert!(queue.take(10, 0, |_| true).is_empty());
        queue.finish(&first[1]);
        assert!(queue.take(10, 0, |_| true).is_empty(), "the first event of the call is still in flight");
        queue.finish(&first[0]);
        assert_eq!(ids(&queue.take(10, 0, |_| true)), [3]);
    }

    #[test]
    fn an_event_that_may_not_be_sent_delays_only_its_own_call() {
        let events = [event(1, "a", "started"), event(2, "a", "completed"), event(3, "b", "started")];
        let mut queue = queue(events);
        let taken = queue.take(10, 0, |event| event.id != EventId::of_change(Position(1)));
        assert_eq!(ids(&taken), [3]);
    }

    #[test]
    fn a_merge_is_sent_after_earlier_events_of_both_calls_and_before_later_ones() {
        let merge = Outgoing { into_id: Some("b".to_owned()), ..event(3, "a", "merged") };
        let events = [event(1, "a", "started"), event(2, "b", "started"), merge, event(4, "b", "completed")];
        let mut queue = queue(events);
        let first = queue.take(10, 0, |_| true);
        assert_eq!(ids(&first), [1, 2]);
        queue.finish(&first[1]);
        assert!(queue.take(10, 0, |_| true).is_empty());
        queue.finish(&first[0]);
        let merge = queue.take(10, 0, |_| true);
        assert_eq!(ids(&merge), [3]);
        let followers = queue.take_followers(&merge[0]);
        assert_eq!(ids(&followers), [4]);
    }

    #[test]
    fn an_event_that_lists_many_calls_waits_for_events_in_flight_of_each() {
        let erased = Outgoing {
            listed: vec!["a".to_owned(), "b".to_owned()],
            call_id: String::new(),
            version: 0,
            ..event(3, "", "erased")
        };
        let events =
            [event(1, "a", "completed"), event(2, "c", "completed"), erased, event(4, "b", "updated")];
        let mut queue = queue(events);
        let first = queue.take(10, 0, |_| true);
        assert_eq!(ids(&first), [1, 2]);
        assert!(queue.take(10, 0, |_| true).is_empty());
        queue.finish(&first[0]);
        let second = queue.take(10, 0, |_| true);
        assert_eq!(ids(&second), [3]);
        assert!(queue.take(10, 0, |_| true).is_empty());
        queue.finish(&second[0]);
        assert_eq!(ids(&queue.take(10, 0, |_| true)), [4]);
    }

    #[test]
    fn the_latest_live_version_is_sent_once_a_second() {
        let mut queue = queue([event(1, "a", "updated")]);
        let first = queue.take(10, 5_000, |_| true);
        queue.push(event(2, "a", "updated"));
        queue.push(event(3, "a", "updated"));
        queue.finish(&first[0]);
        assert!(queue.take(10, 5_999, |_| true).is_empty());
        assert_eq!(queue.next_live_ms(5_999), Some(6_000));
        let second = queue.take(10, 6_000, |_| true);
        assert_eq!(ids(&second), [3]);
        queue.finish(&second[0]);
        queue.push(event(4, "a", "updated"));
        queue.push(event(5, "a", "completed"));
        assert_eq!(ids(&queue.take(10, 6_001, |_| true)), [5], "a completed version does not wait");
    }

    #[test]
    fn events_that_were_sent_together_are_retried_together_without_others() {
        let due = |number, call, due_ms| Outgoing { due_ms, ..event(number, call, "completed") };
        let events = [
            due(1, "a", Some(7)),
            due(2, "b", Some(9)),
            due(3, "c", None),
            due(4, "d", Some(7)),
            due(5, "e", None),
        ];
        let mut queue = queue(events);
        assert_eq!(ids(&queue.take(10, 10, |_| true)), [1, 4]);
        assert_eq!(ids(&queue.take(10, 10, |event| !event.is_persisted())), [3, 5]);
        assert_eq!(ids(&queue.take(10, 10, |_| true)), [2]);
    }
}
