//! What is true of every record, whatever it was made from.

use std::collections::HashSet;

use crate::{
    Time,
    call::{Call, Kind, Segment, State},
};

impl Call {
    /// Everything about the record that contradicts itself; nothing for a sound one.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |holds: bool, what: &dyn Fn() -> String| {
            if !holds {
                found.push(what());
            }
        };
        for leg in &self.legs {
            let name = &leg.id;
            for pair in leg.segments.windows(2) {
                check(pair[0].end_time.is_some_and(|end| end <= pair[1].start_time), &|| {
                    format!("{name}: segments overlap at {}", pair[1].start_time)
                });
            }
            let inside = |segment: &Segment| {
                leg.start_time.is_none_or(|start| start <= segment.start_time)
                    && segment.end_time.is_none_or(|end| segment.start_time < end)
                    && leg.end_time.is_none_or(|end| segment.end_time.is_some_and(|last| last <= end))
            };
            check(leg.segments.iter().all(inside), &|| format!("{name}: a segment lies outside the leg"));
            check(leg.end_time.zip(leg.start_time).is_none_or(|(end, start)| start <= end), &|| {
                format!("{name}: ends before it begins")
            });
            check(leg.ring_ms >= 0 && leg.talk_ms >= 0 && leg.hold_ms >= 0, &|| {
                format!("{name}: a negative length")
            });
            let known = leg.participant.as_ref().is_none_or(|id| self.participant(id).is_some());
            check(known, &|| format!("{name}: its participant is not in the list"));
            check(leg.participant.is_some() || leg.kind == Kind::Proxy, &|| format!("{name}: nobody's leg"));
        }
        let ids: HashSet<_> = self.legs.iter().map(|leg| &leg.id).collect();
        check(ids.len() == self.legs.len(), &|| "two legs of one id".to_owned());
        for participant in &self.participants {
            let name = &participant.id;
            check(participant.legs.iter().all(|leg| ids.contains(leg)), &|| {
                format!("{name}: has a leg that is not there")
            });
            check(participant.observed != participant.legs.is_empty(), &|| {
                format!("{name}: observed without a leg")
            });
            check(participant.talk_ms <= self.durations.talk_ms, &|| {
                format!("{name}: talked longer than the call")
            });
            let talks = self.conversations.iter().filter(|talk| talk.participants.contains(name));
            let talk_ms = union(talks.map(|talk| (talk.start_time, talk.end_time)));
            check(talk_ms.is_none_or(|ms| ms == participant.talk_ms), &|| {
                format!("{name}: talkMs is not its conversations'")
            });
        }
        for (at, talk) in self.conversations.iter().enumerate() {
            // One that began with the last notification counts without a length.
            let is_last = self.state == State::Incomplete && talk.end_time == self.end_time;
            check(talk.end_time.is_none_or(|end| talk.start_time < end || is_last), &|| {
                format!("conversation {at} has no length")
            });
            check(talk.participants.len() >= 2, &|| format!("conversation {at} of one"));
            check(talk.participants.is_sorted(), &|| format!("conversation {at}: participants out of order"));
            check(talk.end_time.is_some() || self.state == State::Live, &|| {
                format!("conversation {at} has no end")
            });
            let same =
                self.conversations[..at].iter().filter(|other| other.participants == talk.participants);
            let apart =
                |other: &crate::call::Conversation| other.end_time.is_some_and(|end| end <= talk.start_time);
            check(same.into_iter().all(apart), &|| {
                format!("conversation {at} overlaps another of the same people")
            });
            let known = talk.participants.iter().all(|id| self.participant(id).is_some());
            check(known, &|| format!("conversation {at} names somebody who is not in the list"));
        }
        let talked = union(self.conversations.iter().map(|talk| (talk.start_time, talk.end_time)));
        check(talked.is_none_or(|ms| ms == self.durations.talk_ms), &|| {
            "talkMs is not the conversations'".to_owned()
        });
        let is_answer = |time: Time| self.conversations.iter().any(|talk| talk.start_time == time);
        check(self.answer_time.is_none_or(is_answer), &|| "answerTime is no conversation's start".to_owned());
        check(self.end_time.is_some() == (self.state != State::Live), &|| {
            "endTime and state disagree".to_owned()
        });
        if let Some(end) = self.end_time {
            check(self.durations.total_ms == end - self.start_time, &|| {
                "totalMs is not end − start".to_owned()
            });
            let root = self.sessions.iter().find(|session| session.telephony_session_id == self.id);
            let begun = root.and_then(|root| root.start_time).unwrap_or(self.start_time);
            let wait = self.answer_time.unwrap_or(end) - begun;
            check(self.durations.wait_ms == wait, &|| "waitMs is not start to answer".to_owned());
        }
        check(
            self.sessions.iter().any(|session| session.telephony_session_id == self.id && session.seen),
            &|| "the root is not among the sessions".to_owned(),
        );
        check((self.completeness.reason.is_some()) == (self.state == State::Incomplete), &|| {
            "an incomplete call says why, and only that".to_owned()
        });
        let in_time = self.moves.is_sorted_by_key(|step| step.time);
        check(in_time, &|| "moves are out of order".to_owned());
        found
    }
}

/// How long at least one stretch lasted; unknown while one has no end.
fn union(stretches: impl Iterator<Item = (Time, Option<Time>)>) -> Option<i64> {
    let stretches: Option<Vec<(Time, Time)>> = stretches.map(|(start, end)| Some((start, end?))).collect();
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
