//! Repairs a record that contradicts itself: keeps everything that the contradiction does not affect.

use std::collections::{HashMap, HashSet};

use crate::{
    LegId, ParticipantId, Time,
    call::{Call, Conversation, Kind, Leg, Outcome, Segment, State},
};

impl Call {
    /// Removes contradictions from the record and returns them. A valid record stays unchanged.
    pub fn repair(&mut self) -> Vec<String> {
        let found = self.violations();
        if found.is_empty() {
            return found;
        }
        self.remove_unresolved_references();
        self.legs.iter_mut().for_each(repair_leg);
        self.remove_invalid_conversations();
        self.extend_bounds();
        self.recompute_durations();
        if !self.violations().is_empty() {
            self.remove_all_durations();
        }
        found
    }

    /// Removes references to participants that are not in the list, and legs without a participant.
    fn remove_unresolved_references(&mut self) {
        let known: HashSet<ParticipantId> =
            self.participants.iter().map(|person| person.id.clone()).collect();
        let drop = |id: &mut Option<ParticipantId>| {
            if id.as_ref().is_some_and(|id| !known.contains(id)) {
                *id = None;
            }
        };
        let single =
            [&mut self.from.participant, &mut self.to.participant, &mut self.answered_by, &mut self.customer];
        single.into_iter().for_each(drop);
        let lists = [&mut self.last_with, &mut self.users, &mut self.missed_by, &mut self.monitors];
        lists.into_iter().for_each(|list| list.retain(|id| known.contains(id)));
        for step in self.moves.iter_mut().chain(&mut self.transfer) {
            drop(&mut step.by);
            drop(&mut step.target);
        }
        self.moves.sort_by_key(|step| step.time);
        self.queues.retain(|visit| {
            known.contains(&visit.participant)
                && visit.leave_time.is_none_or(|leave| visit.enter_time <= leave)
        });
        for visit in &mut self.queues {
            drop(&mut visit.answered_by);
            visit.wait_ms = visit.wait_ms.max(0);
        }
        for leg in &mut self.legs {
            drop(&mut leg.participant);
            drop(&mut leg.queue);
        }
        let mut ids: HashSet<LegId> = HashSet::new();
        self.legs.retain(|leg| {
            (leg.participant.is_some() || leg.kind == Kind::Proxy) && ids.insert(leg.id.clone())
        });
        for person in &mut self.participants {
            drop(&mut person.on_behalf_of);
            person.legs.retain(|leg| ids.contains(leg));
            if person.kind != Kind::Supervisor || !person.legs.is_empty() {
                person.observed = !person.legs.is_empty();
            }
            let durations = [&mut person.ring_ms, &mut person.talk_ms, &mut person.hold_ms];
            durations.into_iter().for_each(|ms| *ms = (*ms).max(0));
        }
    }

    fn remove_invalid_conversations(&mut self) {
        let known: HashSet<&ParticipantId> = self.participants.iter().map(|person| &person.id).collect();
        let is_live = self.state == State::Live;
        let call_end = self.end_time;
        let mut end_by_people: HashMap<Vec<ParticipantId>, Option<Time>> = HashMap::new();
        let before = self.conversations.len();
        self.conversations.retain_mut(|talk| {
            talk.participants.retain(|id| known.contains(id));
            talk.participants.sort_unstable();
            let is_last = |end: Time| Some(end) == call_end && talk.start_time == end;
            let has_length = talk.end_time.map_or(is_live, |end| talk.start_time < end || is_last(end));
            let is_possible = has_length && talk.participants.len() >= 2;
            let last = end_by_people.get(&talk.participants);
            let follows_last = last.is_none_or(|last| last.is_some_and(|last| last <= talk.start_time));
            if is_possible && follows_last {
                end_by_people.insert(talk.participants.clone(), talk.end_time);
            }
            is_possible && follows_last
        });
        if self.conversations.is_empty() && before > 0 && self.result == Outcome::Answered {
            self.result = Outcome::Unknown;
        }
    }

    /// Extends the call to the earliest and latest known times.
    fn extend_bounds(&mut self) {
        let starts = self.conversations.iter().map(|talk| talk.start_time);
        self.start_time = starts.chain([self.start_time]).min().unwrap_or(self.start_time);
        let ends = self.conversations.iter().filter_map(|talk| talk.end_time);
        let last = ends.chain([self.start_time]).max();
        match self.state {
            State::Live => self.end_time = None,
            State::Complete | State::Incomplete => self.end_time = self.end_time.max(last),
        }
        let begins_talk = |answer: &Time| self.conversations.iter().any(|talk| talk.start_time == *answer);
        if !self.answer_time.as_ref().is_some_and(begins_talk) {
            self.answer_time = self.conversations.first().map(|talk| talk.start_time);
        }
    }

    fn recompute_durations(&mut self) {
        let union_of = |talks: &mut dyn Iterator<Item = &Conversation>| {
            crate::invariants::union(talks.map(|talk| (talk.start_time, talk.end_time)))
        };
        for person in &mut self.participants {
            let mut own = self.conversations.iter().filter(|talk| talk.participants.contains(&person.id));
            person.talk_ms = union_of(&mut own).unwrap_or(person.talk_ms);
        }
        let root = self.sessions.iter().find(|session| session.telephony_session_id == self.id);
        let root_start = root.and_then(|root| root.start_time).unwrap_or(self.start_time);
        let durations = &mut self.durations;
        if let Some(end) = self.end_time {
            durations.total_ms = end - self.start_time;
            durations.wait_ms = (self.answer_time.unwrap_or(end) - root_start).max(0);
        }
        durations.total_ms = durations.total_ms.max(0);
        let total_ms = durations.total_ms;
        let talk_ms = union_of(&mut self.conversations.iter());
        durations.talk_ms = talk_ms.unwrap_or(durations.talk_ms.min(total_ms));
        for ms in [&mut durations.hold_ms, &mut durations.parked_ms, &mut durations.voicemail_ms] {
            *ms = (*ms).max(0);
        }
        if self.end_time.is_none() {
            durations.wait_ms = durations.wait_ms.clamp(0, total_ms);
            let talk_ms = durations.talk_ms;
            self.participants.iter_mut().for_each(|person| person.talk_ms = person.talk_ms.min(talk_ms));
        }
    }

    /// If the contradiction cannot be located: keeps who and what took part, and removes all durations.
    fn remove_all_durations(&mut self) {
        self.result = Outcome::Unknown;
        self.durations = Default::default();
        self.answer_time = None;
        self.conversations.clear();
        self.queues.clear();
        for leg in &mut self.legs {
            leg.segments.clear();
            leg.start_time = None;
        }
        self.participants.iter_mut().for_each(|person| person.talk_ms = 0);
        self.end_time = self.end_time.map(|end| end.max(self.start_time));
    }
}

/// Removes what lies outside the leg.
fn repair_leg(leg: &mut Leg) {
    if leg.end_time.zip(leg.start_time).is_some_and(|(end, start)| end < start) {
        leg.start_time = None;
    }
    let (start, end) = (leg.start_time, leg.end_time);
    let is_inside = |segment: &Segment| {
        start.is_none_or(|start| start <= segment.start_time)
            && segment.end_time.is_none_or(|end| segment.start_time < end)
            && end.is_none_or(|end| segment.end_time.is_some_and(|last| last <= end))
    };
    let mut last_end = Some(Time::from_millis(i64::MIN));
    leg.segments.retain(|segment| {
        let is_valid = is_inside(segment) && last_end.is_some_and(|last_end| last_end <= segment.start_time);
        if is_valid {
            last_end = segment.end_time;
        }
        is_valid
    });
    for ms in [&mut leg.ring_ms, &mut leg.talk_ms, &mut leg.hold_ms] {
        *ms = (*ms).max(0);
    }
}
