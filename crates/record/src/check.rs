//! What is true of every record, whatever it was made from.
//!
//! The checks are linear in the size of the record: one is made before any version of a call is published.

use smallvec::SmallVec;

use crate::{
    ParticipantId, Time,
    call::{Call, Kind, Leg, Participant, Segment, State},
};

/// A stretch of time; it goes on where it has no end.
type Stretch = (Time, Option<Time>);

/// What contradicts itself, as it is found.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

/// Ids to look up. Records are checked before they are published, and most have a handful of ids: a sorted list needs
/// neither an allocation nor a hash.
struct Ids<'a, T>(SmallVec<[&'a T; 16]>);

impl<'a, T: Ord> Ids<'a, T> {
    fn of(ids: impl Iterator<Item = &'a T>) -> Self {
        let mut ids: SmallVec<[&T; 16]> = ids.collect();
        ids.sort_unstable();
        Self(ids)
    }

    fn place(&self, id: &T) -> Option<usize> {
        let place = self.0.partition_point(|known| *known < id);
        self.0.get(place).is_some_and(|known| *known == id).then_some(place)
    }

    fn are_distinct(&self) -> bool {
        self.0.windows(2).all(|pair| pair[0] != pair[1])
    }
}

impl Call {
    /// Everything about the record that contradicts itself; nothing for a sound one.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Found::default();
        let known = Ids::of(self.participants.iter().map(|person| &person.id));
        self.legs.iter().for_each(|leg| check_leg(leg, &mut found));
        self.check_participants(&known, &mut found);
        self.check_conversations(&mut found);
        self.check_times(&mut found);
        self.check_references(&known, &mut found);
        found.unless(
            self.sessions.iter().any(|session| session.telephony_session_id == self.id && session.seen),
            || "the root is not among the sessions".to_owned(),
        );
        found.unless(self.completeness.reason.is_some() == (self.state == State::Incomplete), || {
            "an incomplete call says why, and only that".to_owned()
        });
        found.unless(self.moves.is_sorted_by_key(|step| step.time), || "moves are out of order".to_owned());
        found.0
    }

    fn check_participants(&self, known: &Ids<'_, ParticipantId>, found: &mut Found) {
        let legs = Ids::of(self.legs.iter().map(|leg| &leg.id));
        found.unless(legs.are_distinct(), || "two legs of one id".to_owned());
        let mut talks: SmallVec<[(usize, Stretch); 16]> = SmallVec::new();
        for talk in &self.conversations {
            let places = talk.participants.iter().filter_map(|id| known.place(id));
            talks.extend(places.map(|place| (place, (talk.start_time, talk.end_time))));
        }
        talks.sort_unstable();
        for person in &self.participants {
            let name = &person.id;
            found.unless(person.legs.iter().all(|leg| legs.place(leg).is_some()), || {
                format!("{name}: has a leg that is not there")
            });
            // A supervisor may have listened from another call's session.
            let is_elsewhere = person.kind == Kind::Supervisor && person.legs.is_empty();
            found.unless(is_elsewhere || person.observed != person.legs.is_empty(), || {
                format!("{name}: observed without a leg")
            });
            let Participant { ring_ms, talk_ms, hold_ms, .. } = *person;
            found.unless(ring_ms >= 0 && talk_ms >= 0 && hold_ms >= 0, || {
                format!("{name}: a negative length")
            });
            found
                .unless(talk_ms <= self.durations.talk_ms, || format!("{name}: talked longer than the call"));
            let place = known.place(name);
            let first = talks.partition_point(|(talker, _)| Some(*talker) < place);
            let own = talks[first..].iter().take_while(|(talker, _)| Some(*talker) == place);
            found.unless(union(own.map(|(_, talk)| *talk)).is_none_or(|ms| ms == talk_ms), || {
                format!("{name}: talkMs is not its conversations'")
            });
        }
    }

    fn check_conversations(&self, found: &mut Found) {
        for (at, talk) in self.conversations.iter().enumerate() {
            let (start, end) = (talk.start_time, talk.end_time);
            // One that began with the last notification counts without a length.
            let is_last = self.state != State::Live && end == self.end_time;
            found.unless(end.is_none_or(|end| start < end || is_last && start == end), || {
                format!("conversation {at} has no length")
            });
            found.unless(talk.participants.len() >= 2, || format!("conversation {at} of one"));
            found.unless(talk.participants.is_sorted(), || {
                format!("conversation {at}: participants out of order")
            });
            found.unless(end.is_some() || self.state == State::Live, || {
                format!("conversation {at} has no end")
            });
            let is_within = start >= self.start_time
                && self.end_time.is_none_or(|last| end.is_none_or(|end| end <= last));
            found.unless(is_within, || format!("conversation {at} lies outside the call"));
        }
        // Those of the same people stand together, in their order.
        let mut by_people: SmallVec<[usize; 8]> = (0..self.conversations.len()).collect();
        by_people
            .sort_by(|a, b| self.conversations[*a].participants.cmp(&self.conversations[*b].participants));
        for pair in by_people.windows(2) {
            let [before, after] = [&self.conversations[pair[0]], &self.conversations[pair[1]]];
            let is_over = before.end_time.is_some_and(|end| end <= after.start_time);
            found.unless(is_over || before.participants != after.participants, || {
                format!("conversation {} overlaps another of the same people", pair[1])
            });
        }
        let talked = union(self.conversations.iter().map(|talk| (talk.start_time, talk.end_time)));
        found.unless(talked.is_none_or(|ms| ms == self.durations.talk_ms), || {
            "talkMs is not the conversations'".to_owned()
        });
    }

    fn check_times(&self, found: &mut Found) {
        let lengths = self.durations;
        let all = [
            lengths.total_ms,
            lengths.wait_ms,
            lengths.talk_ms,
            lengths.hold_ms,
            lengths.parked_ms,
            lengths.voicemail_ms,
        ];
        found.unless(all.iter().all(|ms| *ms >= 0), || "a negative length".to_owned());
        let longest = lengths.talk_ms.max(lengths.wait_ms);
        found.unless(longest <= lengths.total_ms, || "talked or waited longer than the call".to_owned());
        found.unless(self.queues.iter().all(|visit| visit.wait_ms >= 0), || {
            "a negative wait in a queue".to_owned()
        });
        let leaves =
            |visit: &crate::call::QueueVisit| visit.leave_time.is_none_or(|leave| visit.enter_time <= leave);
        found.unless(self.queues.iter().all(leaves), || "a queue was left before it was entered".to_owned());
        found.unless(self.answer_time.is_none_or(|answer| self.start_time <= answer), || {
            "answered before the start".to_owned()
        });
        let begins_talk = |answer| self.conversations.iter().any(|talk| talk.start_time == answer);
        found.unless(self.answer_time.is_none_or(begins_talk), || {
            "answerTime is no conversation's start".to_owned()
        });
        found.unless(self.end_time.is_some() == (self.state != State::Live), || {
            "endTime and state disagree".to_owned()
        });
        let Some(end) = self.end_time else { return };
        found.unless(self.start_time <= end, || "ends before it begins".to_owned());
        found.unless(self.answer_time.is_none_or(|answer| answer <= end), || {
            "answered after the end".to_owned()
        });
        if self.has_no_lengths() {
            return;
        }
        found.unless(lengths.total_ms == end - self.start_time, || "totalMs is not end − start".to_owned());
        let root = self.sessions.iter().find(|session| session.telephony_session_id == self.id);
        let start = root.and_then(|root| root.start_time).unwrap_or(self.start_time);
        let is_answer_unknown =
            self.answer_time.is_none() && self.conversations.iter().any(|talk| talk.inferred);
        let wait = (self.answer_time.unwrap_or(end) - start).max(0);
        found.unless(lengths.wait_ms == wait || is_answer_unknown, || {
            "waitMs is not start to answer".to_owned()
        });
    }

    /// Whether nothing is known of how long anything lasted.
    fn has_no_lengths(&self) -> bool {
        self.result == crate::call::Outcome::Unknown && self.durations == Default::default()
    }

    /// Every id of a participant, anywhere in the record, is one of the list.
    fn check_references(&self, known: &Ids<'_, ParticipantId>, found: &mut Found) {
        for (place, id) in self.references() {
            found.unless(known.place(id).is_some(), || format!("{place} names {id}, who is not in the list"));
        }
    }

    /// The ids of participants outside their list, and where each stands.
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

fn check_leg(leg: &Leg, found: &mut Found) {
    let name = &leg.id;
    for pair in leg.segments.windows(2) {
        found.unless(pair[0].end_time.is_some_and(|end| end <= pair[1].start_time), || {
            format!("{name}: segments overlap at {}", pair[1].start_time)
        });
    }
    let inside = |segment: &Segment| {
        leg.start_time.is_none_or(|start| start <= segment.start_time)
            && segment.end_time.is_none_or(|end| segment.start_time < end)
            && leg.end_time.is_none_or(|end| segment.end_time.is_some_and(|last| last <= end))
    };
    found.unless(leg.segments.iter().all(inside), || format!("{name}: a segment lies outside the leg"));
    found.unless(leg.end_time.zip(leg.start_time).is_none_or(|(end, start)| start <= end), || {
        format!("{name}: ends before it begins")
    });
    found.unless(leg.ring_ms >= 0 && leg.talk_ms >= 0 && leg.hold_ms >= 0, || {
        format!("{name}: a negative length")
    });
    found.unless(leg.participant.is_some() || leg.kind == Kind::Proxy, || format!("{name}: nobody's leg"));
}

/// How long at least one stretch lasted; unknown while one has no end.
pub(crate) fn union(stretches: impl Iterator<Item = Stretch>) -> Option<i64> {
    let stretches: Option<SmallVec<[(Time, Time); 8]>> =
        stretches.map(|(start, end)| Some((start, end?))).collect();
    let mut stretches = stretches?;
    stretches.sort_unstable();
    let mut covered = Time::from_millis(i64::MIN);
    let mut total = 0;
    for (start, end) in stretches {
        total += (end - start.max(covered)).max(0);
        covered = covered.max(end);
    }
    Some(total)
}
