//! What is at hand for one endpoint, and which of it may be sent: events of one call one after the other, of
//! different calls side by side.

use std::collections::{BTreeMap, HashMap, HashSet};

use wholecall_store::{EventId, Outgoing, Position};

/// Live versions of one call are sent so far apart at least.
const LIVE_EVERY_MS: i64 = 1_000;

/// Events that wait for their turn, and those that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<EventId, Outgoing>,
    /// Of which calls something is on its way.
    busy: HashSet<String>,
    on_the_way: HashSet<EventId>,
    /// When the last live version of a call was sent.
    live_sent_ms: HashMap<String, i64>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether anything waits that was never sent.
    pub(crate) fn has_new(&self) -> bool {
        self.waiting.values().any(|event| !event.is_held())
    }

    /// Whether an event is at hand already.
    pub(crate) fn has(&self, id: EventId) -> bool {
        self.waiting.contains_key(&id) || self.is_on_the_way(id)
    }

    /// Whether an event was sent and not finished yet.
    pub(crate) fn is_on_the_way(&self, id: EventId) -> bool {
        self.on_the_way.contains(&id)
    }

    /// Forgets what waits: it is to be read again.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// The first change that is at hand: what comes before it in the feed is dealt with.
    pub(crate) fn oldest(&self) -> Option<Position> {
        let waiting = self.waiting.values().filter(|event| !event.is_held()).map(|event| event.id);
        waiting.chain(self.on_the_way.iter().copied()).filter_map(EventId::cursor).min()
    }

    /// The clock was set.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        self.live_sent_ms.values_mut().for_each(|sent_ms| *sent_ms += by_ms);
    }

    /// Adds an event. A live version that still waits gives way to a later version.
    pub(crate) fn push(&mut self, event: Outgoing) {
        if event.version > 0 {
            let is_outdated = |other: &Outgoing| {
                other.is_live_version() && !other.is_held() && other.call_id == event.call_id
            };
            self.waiting.retain(|id, other| *id > event.id || !is_outdated(other));
        }
        self.waiting.insert(event.id, event);
    }

    /// Takes up to so many events that may be sent now, in order, and marks them as on their way. What was tried
    /// together is due together and goes together again, with nothing else.
    pub(crate) fn take(
        &mut self,
        limit: usize,
        now_ms: i64,
        may_go: impl Fn(&Outgoing) -> bool,
    ) -> Vec<Outgoing> {
        let mut behind: HashSet<&str> = HashSet::new();
        let mut ready = Vec::new();
        let mut due_ms = None;
        for (id, event) in &self.waiting {
            if ready.len() == limit {
                break;
            }
            let is_free = event.calls().all(|call| !self.busy.contains(call) && !behind.contains(call));
            let goes_along = due_ms.is_none_or(|due_ms| due_ms == event.due_ms);
            if is_free && goes_along && may_go(event) && self.live_due_ms(event) <= now_ms {
                due_ms = Some(event.due_ms);
                ready.push(*id);
            }
            behind.extend(event.calls());
        }
        ready.into_iter().filter_map(|id| self.send(id, now_ms)).collect()
    }

    fn send(&mut self, id: EventId, now_ms: i64) -> Option<Outgoing> {
        let event = self.waiting.remove(&id)?;
        self.start(&event);
        if event.is_live_version() {
            self.live_sent_ms.retain(|_, sent| now_ms - *sent < LIVE_EVERY_MS);
            self.live_sent_ms.insert(event.call_id.clone(), now_ms);
        }
        Some(event)
    }

    /// Marks an event as on its way.
    pub(crate) fn start(&mut self, event: &Outgoing) {
        self.busy.extend(event.calls().map(str::to_owned));
        self.on_the_way.insert(event.id);
    }

    /// Whether something of an event's calls is on its way.
    pub(crate) fn is_busy(&self, event: &Outgoing) -> bool {
        event.calls().any(|call| self.busy.contains(call))
    }

    /// An event is no longer on its way.
    pub(crate) fn finished(&mut self, event: &Outgoing) {
        for call in event.calls() {
            self.busy.remove(call);
        }
        self.on_the_way.remove(&event.id);
    }

    /// Takes out what waits and is of the same calls as an event.
    pub(crate) fn take_followers(&mut self, event: &Outgoing) -> Vec<Outgoing> {
        let mut calls: HashSet<String> = event.calls().map(str::to_owned).collect();
        let mut followers = Vec::new();
        // In order: what follows a merging follows what the merging follows.
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

    /// When the first live version that waits only for its second is due.
    pub(crate) fn next_live_ms(&self, now_ms: i64) -> Option<i64> {
        self.waiting.values().map(|event| self.live_due_ms(event)).filter(|due| *due > now_ms).min()
    }

    fn live_due_ms(&self, event: &Outgoing) -> i64 {
        let sent = self.live_sent_ms.get(&event.call_id).filter(|_| event.is_live_version());
        sent.map_or(0, |sent| sent + LIVE_EVERY_MS)
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
            made_ms: 0,
            call_id: call.to_owned(),
            into_id: None,
            listed: Vec::new(),
            data: "{}".to_owned(),
            before: None,
            step: 0,
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
    fn events_of_one_call_go_one_after_the_other() {
        let events = [event(1, "a", "started"), event(2, "b", "started"), event(3, "a", "completed")];
        let mut queue = queue(events);
        let first = queue.take(10, 0, |_| true);
        assert_eq!(ids(&first), [1, 2]);
        assert!(queue.take(10, 0, |_| true).is_empty());
        queue.finished(&first[1]);
        assert!(queue.take(10, 0, |_| true).is_empty(), "it is not that call's turn");
        queue.finished(&first[0]);
        assert_eq!(ids(&queue.take(10, 0, |_| true)), [3]);
    }

    #[test]
    fn what_may_not_go_holds_up_its_call_only() {
        let events = [event(1, "a", "started"), event(2, "a", "completed"), event(3, "b", "started")];
        let mut queue = queue(events);
        let taken = queue.take(10, 0, |event| event.id != EventId::of_change(Position(1)));
        assert_eq!(ids(&taken), [3]);
    }

    #[test]
    fn a_merging_comes_after_the_one_call_and_before_the_other() {
        let merging = Outgoing { into_id: Some("b".to_owned()), ..event(3, "a", "merged") };
        let events =
            [event(1, "a", "started"), event(2, "b", "started"), merging, event(4, "b", "completed")];
        let mut queue = queue(events);
        let first = queue.take(10, 0, |_| true);
        assert_eq!(ids(&first), [1, 2]);
        queue.finished(&first[1]);
        assert!(queue.take(10, 0, |_| true).is_empty());
        queue.finished(&first[0]);
        let merging = queue.take(10, 0, |_| true);
        assert_eq!(ids(&merging), [3]);
        let followers = queue.take_followers(&merging[0]);
        assert_eq!(ids(&followers), [4]);
    }

    #[test]
    fn an_event_of_many_calls_waits_for_what_is_on_its_way_of_any() {
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
        queue.finished(&first[0]);
        let second = queue.take(10, 0, |_| true);
        assert_eq!(ids(&second), [3]);
        assert!(queue.take(10, 0, |_| true).is_empty());
        queue.finished(&second[0]);
        assert_eq!(ids(&queue.take(10, 0, |_| true)), [4]);
    }

    #[test]
    fn live_versions_are_sent_once_a_second_and_the_last_of_them() {
        let mut queue = queue([event(1, "a", "updated")]);
        let first = queue.take(10, 5_000, |_| true);
        queue.push(event(2, "a", "updated"));
        queue.push(event(3, "a", "updated"));
        queue.finished(&first[0]);
        assert!(queue.take(10, 5_999, |_| true).is_empty());
        assert_eq!(queue.next_live_ms(5_999), Some(6_000));
        let second = queue.take(10, 6_000, |_| true);
        assert_eq!(ids(&second), [3]);
        queue.finished(&second[0]);
        queue.push(event(4, "a", "updated"));
        queue.push(event(5, "a", "completed"));
        assert_eq!(ids(&queue.take(10, 6_001, |_| true)), [5], "the end does not wait");
    }

    #[test]
    fn what_was_tried_together_goes_together_again_and_with_nothing_else() {
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
        assert_eq!(ids(&queue.take(10, 10, |event| !event.is_held())), [3, 5]);
        assert_eq!(ids(&queue.take(10, 10, |_| true)), [2]);
    }
}
