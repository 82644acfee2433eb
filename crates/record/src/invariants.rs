//! The invariants of a record, whatever it was assembled from.
//!
//! The checks are linear in the size of the record: they run before each version of a call is published.

use smallvec::SmallVec;

use crate::{
    ParticipantId, Time,
    call::{Call, Kind, Leg, Participant, Segment, State},
};

/// A stretch of time; open if it has no end.
type Interval = (Time, Option<Time>);

/// The contradictions found so far.
#[derive(Default)]
struct Violations(Vec<String>);

impl Violations {
    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

/// A set of ids. Most records have a handful of them: a sorted list needs neither an allocation nor a hash.
struct IdSet<'a, T>(SmallVec<[&'a T; 16]>);

impl<'a, T: Ord> IdSet<'a, T> {
    fn of(ids: impl Iterator<Item = &'a T>) -> Self {
        let mut ids: SmallVec<[&T; 16]> = ids.collect();
        ids.sort_unstable();
        Self(ids)
    }

    fn index_of(&self, id: &T) -> Option<usize> {
        let index = self.0.partition_point(|known| *known < id);
        self.0.get(index).is_some_and(|known| *known == id).then_some(index)
    }

    fn are_distinct(&self) -> bool {
        self.0.windows(2).all(|pair| pair[0] != pair[1])
    }
}

impl Call {
    /// The contradictions in the record; empty for a valid one.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Violations::default();
        let known = IdSet::of(self.participants.iter().map(|person| &person.id));
        self.legs.iter().for_each(|leg| check_leg(leg, &mut found));
        self.check_participants(&known, &mut found);
        self.check_conversations(&mut found);
        self.check_times(&mut found);
        self.check_references(&known, &mut found);
        found.require(
            self.sessions.iter().any(|session| session.telephony_session_id == self.id && session.seen),
            || "the root is not among the sessions".to_owned(),
        );
        found.require(self.completeness.reason.is_some() == (self.state == State::Incomplete), || {
            "a reason is given if and only if the call is incomplete".to_owned()
        });
        found.require(self.moves.is_sorted_by_key(|step| step.time), || "moves are out of order".to_owned());
        found.0
    }

    fn check_participants(&self, known: &IdSet<'_, ParticipantId>, found: &mut Violations) {
        let legs = IdSet::of(self.legs.iter().map(|leg| &leg.id));
        found.require(legs.are_distinct(), || "two legs have the same id".to_owned());
        let mut talks: SmallVec<[(usize, Interval); 16]> = SmallVec::new();
        for talk in &self.conversations {
            let places = talk.participants.iter().filter_map(|id| known.index_of(id));
            talks.extend(places.map(|place| (place, (talk.start_time, talk.end_time))));
        }
        talks.sort_unstable();
        for person in &self.participants {
            let name = &person.id;
            found.require(person.legs.iter().all(|leg| legs.index_of(leg).is_some()), || {
                format!("{name}: has a leg that is not in the record")
            });
            // A supervisor may have listened from another call's session.
            let is_elsewhere = person.kind == Kind::Supervisor && person.legs.is_empty();
            found.require(is_elsewhere || person.observed != person.legs.is_empty(), || {
                format!("{name}: observed must be true if and only if it has a leg")
            });
            let Participant { ring_ms, talk_ms, hold_ms, .. } = *person;
            found.require(ring_ms >= 0 && talk_ms >= 0 && hold_ms >= 0, || {
                format!("{name}: a negative duration")
            });
            found.require(talk_ms <= self.durations.talk_ms, || {
                format!("{name}: talked longer than the call")
            });
            let place = known.index_of(name);
            let first = talks.partition_point(|(talker, _)| Some(*talker) < place);
            let own = talks[first..].iter().take_while(|(talker, _)| Some(*talker) == place);
            found.require(union(own.map(|(_, talk)| *talk)).is_none_or(|ms| ms == talk_ms), || {
                format!("{name}: talkMs differs from its conversations")
            });
        }
    }

    fn check_conversations(&self, found: &mut Violations) {
        for (at, talk) in self.conversations.iter().enumerate() {
            let (start, end) = (talk.start_time, talk.end_time);
            // A conversation that began with the last notification has no duration.
            let is_last = self.state != State::Live && end == self.end_time;
            found.require(end.is_none_or(|end| start < end || is_last && start == end), || {
                format!("conversation {at} has no duration")
            });
            found.require(talk.participants.len() >= 2, || {
                format!("conversation {at} has fewer than two people")
            });
            found.require(talk.participants.is_sorted(), || {
                format!("conversation {at}: participants out of order")
            });
            found.require(end.is_some() || self.state == State::Live, || {
                format!("conversation {at} has no end")
            });
            let is_within = start >= self.start_time
                && self.end_time.is_none_or(|last| end.is_none_or(|end| end <= last));
            found.require(is_within, || format!("conversation {at} lies outside the call"));
        }
        // Conversations of the same people become neighbours, in order of time.
        let mut by_people: SmallVec<[usize; 8]> = (0..self.conversations.len()).collect();
        by_people
            .sort_by(|a, b| self.conversations[*a].participants.cmp(&self.conversations[*b].participants));
        for pair in by_people.windows(2) {
            let [before, after] = [&self.conversations[pair[0]], &self.conversations[pair[1]]];
            let is_over = before.end_time.is_some_and(|end| end <= after.start_time);
            found.require(is_over || before.participants != after.participants, || {
                format!("conversation {} overlaps another of the same people", pair[1])
            });
        }
        let talked = union(self.conversations.iter().map(|talk| (talk.start_time, talk.end_time)));
        found.require(talked.is_none_or(|ms| ms == self.durations.talk_ms), || {
            "talkMs differs from the conversations".to_owned()
        });
    }

    fn check_times(&self, found: &mut Violations) {
        let durations = self.durations;
        let all = [
            durations.total_ms,
            durations.wait_ms,
            durations.talk_ms,
            durations.hold_ms,
            durations.parked_ms,
            durations.voicemail_ms,
        ];
        found.require(all.iter().all(|ms| *ms >= 0), || "a negative duration".to_owned());
        let longest = durations.talk_ms.max(durations.wait_ms);
        found.require(longest <= durations.total_ms, || "talked or waited longer than the call".to_owned());
        found.require(self.queues.iter().all(|visit| visit.wait_ms >= 0), || {
            "a negative wait in a queue".to_owned()
        });
        let leaves =
            |visit: &crate::call::QueueVisit| visit.leave_time.is_none_or(|leave| visit.enter_time <= leave);
        found.require(self.queues.iter().all(leaves), || "a queue was left before it was entered".to_owned());
        found.require(self.answer_time.is_none_or(|answer| self.start_time <= answer), || {
            "answered before the start".to_owned()
        });
        let begins_talk = |answer| self.conversations.iter().any(|talk| talk.start_time == answer);
        found.require(self.answer_time.is_none_or(begins_talk), || {
            "answerTime is not the start of a conversation".to_owned()
        });
        found.require(self.end_time.is_some() == (self.state != State::Live), || {
            "endTime and state disagree".to_owned()
        });
        let Some(end) = self.end_time else { return };
        found.require(self.start_time <= end, || "ends before it starts".to_owned());
        found.require(self.answer_time.is_none_or(|answer| answer <= end), || {
            "answered after the end".to_owned()
        });
        if self.has_no_durations() {
            return;
        }
        found
            .require(durations.total_ms == end - self.start_time, || "totalMs is not end − start".to_owned());
        let root = self.sessions.iter().find(|session| session.telephony_session_id == self.id);
        let start = root.and_then(|root| root.start_time).unwrap_or(self.start_time);
        let is_answer_unknown =
            self.answer_time.is_none() && self.conversations.iter().any(|talk| talk.inferred);
        let wait = (self.answer_time.unwrap_or(end) - start).max(0);
        found.require(durations.wait_ms == wait || is_answer_unknown, || {
            "waitMs is not answer − start".to_owned()
        });
    }

    /// Whether no duration is known.
    fn has_no_durations(&self) -> bool {
        self.result == crate::call::Outcome::Unknown && self.durations == Default::default()
    }

    /// Checks that every participant id in the record is in the list of participants.
    fn check_references(&self, known: &IdSet<'_, ParticipantId>, found: &mut Violations) {
        for (place, id) in self.references() {
            found.require(known.index_of(id).is_some(), || {
                format!("{place} names {id}, who is not in the list")
            });
        }
    }

    /// The participant ids outside that list, each after the name of its field.
    fn references(&self) -> impl Iterator<Item = (&'static str, &ParticipantId)> {
        let single = [
            ("from", &self.from.participant),
            ("to", &self.to.participant),
            ("answeredBy", &self.answered_by),
            ("customer", &self.customer),
        ];
        let single = single.into_iter().filter_map(|(place, id)| Some((place, id.as_ref()?)));
        let lists = [
            ("lastWith", &self.last_with),
            ("users", &self.users),
            ("missedBy", &self.missed_by),
            ("monitors", &self.monitors),
        ];
        let lists = lists.into_iter().flat_map(|(place, ids)| ids.iter().map(move |id| (place, id)));
        let legs =
            self.legs.iter().flat_map(|leg| [("a leg", &leg.participant), ("a leg's queue", &leg.queue)]);
        let behalf = self.participants.iter().map(|person| ("onBehalfOf", &person.on_behalf_of));
        let moves = self.moves.iter().map(|step| ("a move", step));
        let moves = moves.chain(self.transfer.iter().map(|step| ("transfer", step)));
        let moves = moves.flat_map(|(place, step)| [(place, &step.by), (place, &step.target)]);
        let visits = self.queues.iter().map(|visit| ("a queue's answeredBy", &visit.answered_by));
        let optional = legs.chain(behalf).chain(moves).chain(visits);
        let optional = optional.filter_map(|(place, id)| Some((place, id.as_ref()?)));
        let queues = self.queues.iter().map(|visit| ("a queue visit", &visit.participant));
        let talks = self.conversations.iter().flat_map(|talk| &talk.participants);
        let talks = talks.map(|id| ("a conversation", id));
        single.chain(lists).chain(optional).chain(queues).chain(talks)
    }
}

fn check_leg(leg: &Leg, found: &mut Violations) {
    let name = &leg.id;
    for pair in leg.segments.windows(2) {
        found.require(pair[0].end_time.is_some_and(|end| end <= pair[1].start_time), || {
            format!("{name}: segments overlap at {}", pair[1].start_time)
        });
    }
    let inside = |segment: &Segment| {
        leg.start_time.is_none_or(|start| start <= segment.start_time)
            && segment.end_time.is_none_or(|end| segment.start_time < end)
            && leg.end_time.is_none_or(|end| segment.end_time.is_some_and(|last| last <= end))
    };
    found.require(leg.segments.iter().all(inside), || format!("{name}: a segment lies outside the leg"));
    found.require(leg.end_time.zip(leg.start_time).is_none_or(|(end, start)| start <= end), || {
        format!("{name}: ends before it starts")
    });
    found.require(leg.ring_ms >= 0 && leg.talk_ms >= 0 && leg.hold_ms >= 0, || {
        format!("{name}: a negative duration")
    });
    found.require(leg.participant.is_some() || leg.kind == Kind::Proxy, || {
        format!("{name}: has no participant")
    });
}

/// Duration of the union of intervals; `None` if one of them has no end.
pub(crate) fn union(intervals: impl Iterator<Item = Interval>) -> Option<i64> {
    let intervals: Option<SmallVec<[(Time, Time); 8]>> =
        intervals.map(|(start, end)| Some((start, end?))).collect();
    let mut intervals = intervals?;
    intervals.sort_unstable();
    let mut covered = Time::from_millis(i64::MIN);
    let mut total = 0;
    for (start, end) in intervals {
        total += (end - start.max(covered)).max(0);
        covered = covered.max(end);
    }
    Some(total)
}
