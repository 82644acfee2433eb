//! Who was connected in which room, and so who heard whom.

use std::ops::Deref;

use smallvec::SmallVec;
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind, State},
};

use super::{
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    inferred_presence::InferredPresence,
    joins::JoinTimeline,
    legs::Leg,
    spans::TimedCall,
};
use crate::{index::IdxVec, limits};

/// A call with the times at which its participants were connected.
pub(crate) struct ConnectedCall<'a> {
    call: TimedCall<'a>,
    pub(super) inferred_presences: Vec<InferredPresence>,
    /// When each participant is first connected. `None` for those who never are.
    pub(super) first_present: IdxVec<ParticipantIdx, Option<Time>>,
    pub(super) conversations: Vec<ConversationSpan>,
    pub(super) conversations_beyond_limit: u64,
}

impl<'a> Deref for ConnectedCall<'a> {
    type Target = TimedCall<'a>;

    fn deref(&self) -> &TimedCall<'a> {
        &self.call
    }
}

/// A stretch of time in which the same participants heard each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConversationSpan {
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
    /// In order.
    pub(crate) people: People,
    /// A session that they were in when it began.
    pub(crate) room: SessionIdx,
    /// Whether a participant was not observed to be connected: an extension that is only named, or an unknown party.
    pub(crate) inferred: bool,
}

/// Participants who hear each other, in order.
pub(crate) type People = SmallVec<[ParticipantIdx; 4]>;

/// A stretch of time in which a participant was connected in a room.
#[derive(Debug, Clone, Copy)]
struct Presence {
    room: SessionIdx,
    person: ParticipantIdx,
    start: Time,
    end: Option<Time>,
    inferred: bool,
}

/// Participants who hear each other, their room, and whether one of them was not observed to be connected.
struct Set {
    people: People,
    room: SessionIdx,
    inferred: bool,
}

impl<'a> ConnectedCall<'a> {
    pub(super) fn new(call: TimedCall<'a>) -> Self {
        let inferred_presences = call.find_inferred_presences();
        let mut presences = SmallVec::new();
        for (index, leg) in call.legs.iter_enumerated() {
            call.presences_of(index, leg, &mut presences);
        }
        for InferredPresence { party, present } in &inferred_presences {
            let inferred = call.people[party.person].kind != Kind::External;
            let (room, person) = (party.room, party.person);
            let present = present.iter();
            presences.extend(present.map(|&(start, end)| Presence { room, person, start, end, inferred }));
        }
        call.presences_of_hosts(&mut presences);
        presences.retain(|presence| presence.end.is_none_or(|end| presence.start < end));
        let mut first_present = IdxVec::filled(None, call.people.len());
        for presence in &presences {
            let first: &mut Option<Time> = &mut first_present[presence.person];
            *first = Some(first.map_or(presence.start, |first| first.min(presence.start)));
        }
        let mut sweep =
            ConversationSweep { open: SmallVec::new(), conversations: Vec::new(), seats: 0, beyond_limit: 0 };
        sweep.run(presences, &call.join_timeline);
        let ConversationSweep { mut conversations, beyond_limit, .. } = sweep;
        conversations.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| a.people.cmp(&b.people)));
        Self {
            call,
            inferred_presences,
            first_present,
            conversations,
            conversations_beyond_limit: beyond_limit,
        }
    }

    /// The conversations that count, with their ends. In a closed call they end with the last event at the latest.
    /// One that begins with the last event has no length; it counts only if a leg has not ended.
    pub(super) fn conversations(
        &self,
        state: State,
    ) -> impl Iterator<Item = (&ConversationSpan, Option<Time>)> {
        let at_the_latest = (state != State::Live).then_some(self.last_event);
        let ended = self
            .conversations
            .iter()
            .map(move |conversation| (conversation, conversation.end.or(at_the_latest)));
        let lasts =
            move |conversation: &ConversationSpan| conversation.end.is_none() && state != State::Complete;
        ended.filter(move |(conversation, end)| {
            lasts(conversation) || end.is_none_or(|end| conversation.start < end)
        })
    }
}

impl TimedCall<'_> {
    fn presences_of(&self, index: LegIdx, leg: &Leg<'_>, presences: &mut SmallVec<[Presence; 8]>) {
        let Some(person) = self.owners[index] else { return };
        let (spans, talks_from) = (&self.states[index].spans, self.talks_from(index));
        if !self.kinds[index].is_person() && talks_from.is_none() {
            return;
        }
        let originates = self.rooms[leg.room].originator == Some(index);
        if originates {
            // Connected from its first event, even if that has no known state.
            let end = spans.first().map(|span| span.start).or(self.states[index].end);
            presences.push(Presence { room: leg.room, person, start: leg.start, end, inferred: false });
        }
        for span in spans {
            let is_present = match span.state {
                LegState::Connected => true,
                LegState::Setup | LegState::Ringing => originates,
                _ => false,
            };
            if is_present {
                let start = talks_from.map_or(span.start, |from| from.max(span.start));
                presences.push(Presence { room: leg.room, person, start, end: span.end, inferred: false });
            }
        }
    }

    /// The host of a conference is present in the bridge until every other leg of the joined rooms has ended, if the
    /// bridge or the host's own leg in it was not observed.
    fn presences_of_hosts(&self, presences: &mut SmallVec<[Presence; 8]>) {
        let mut hosts: Vec<(SessionIdx, ParticipantIdx, Time)> = Vec::new();
        for link in self.links.iter().filter(|link| link.kind == LinkKind::Conference) {
            let bridge = self.bridge_of(link).room;
            let Some(host) = self.host_of(link) else { continue };
            // Of two calls merged without a bridge both legs have left.
            let stays = |leg| !link.names(leg) || self.is_host_leg_in_bridge(leg, link);
            let mut legs = self.rooms[bridge].legs.clone();
            let seen = legs.any(|leg| self.owners[leg] == Some(host) && stays(leg));
            match hosts.iter_mut().find(|(known, person, _)| (*known, *person) == (bridge, host)) {
                _ if seen => {}
                Some((_, _, start)) => *start = link.start.min(*start),
                None => hosts.push((bridge, host, link.start)),
            }
        }
        for (bridge, person, start) in hosts {
            let end = self.bridge_empties_at(bridge, person, start);
            presences.push(Presence { room: bridge, person, start, end, inferred: false });
        }
    }

    /// The first time from `start` on at which every leg but the host's has ended in the rooms joined to a bridge.
    fn bridge_empties_at(&self, bridge: SessionIdx, host: ParticipantIdx, start: Time) -> Option<Time> {
        let others = || {
            let others = self
                .legs
                .indices()
                .filter(|&leg| self.kinds[leg] != Kind::Proxy && self.owners[leg] != Some(host));
            others.filter(|&leg| self.states[leg].end.is_none_or(|end| end > start))
        };
        if others().next().is_none() {
            return self.host_ended(host);
        }
        let ends = others().filter_map(|leg| self.states[leg].end);
        let mut times: Vec<Time> =
            ends.chain(self.join_timeline.times()).chain([start]).filter(|&time| time >= start).collect();
        times.sort_unstable();
        times.dedup();
        times.into_iter().find(|&time| {
            let group = |room| self.join_timeline.group(room, time);
            let in_the_way = |index: LegIdx| {
                let leg = &self.legs[index];
                leg.start <= time
                    && self.states[index].end.is_none_or(|end| end > time)
                    && group(leg.room) == group(bridge)
            };
            !others().any(in_the_way)
        })
    }

    /// When the last leg of a conference's host ended, if no other participant's leg was observed.
    fn host_ended(&self, host: ParticipantIdx) -> Option<Time> {
        let ends: Option<Vec<Time>> =
            self.people[host].legs.iter().map(|&leg| self.states[leg].end).collect();
        ends?.into_iter().max()
    }
}

/// Finds who heard whom, by one sweep over time.
struct ConversationSweep {
    /// Indices of the open conversations.
    open: SmallVec<[usize; 4]>,
    conversations: Vec<ConversationSpan>,
    seats: usize,
    beyond_limit: u64,
}

impl ConversationSweep {
    fn run(&mut self, mut starting: SmallVec<[Presence; 8]>, join_timeline: &JoinTimeline) {
        starting.sort_by_key(|presence| std::cmp::Reverse(presence.start));
        let ends = starting.iter().filter_map(|presence| presence.end);
        let mut times: SmallVec<[Time; 16]> =
            starting.iter().map(|presence| presence.start).chain(ends).chain(join_timeline.times()).collect();
        times.sort_unstable();
        times.dedup();
        let mut present: SmallVec<[Presence; 8]> = SmallVec::new();
        let mut sets = SmallVec::new();
        for time in times {
            present.retain(|presence| presence.end.is_none_or(|end| time < end));
            while starting.last().is_some_and(|presence| presence.start <= time) {
                let Some(presence) = starting.pop() else { break };
                if presence.end.is_none_or(|end| time < end) {
                    present.push(presence);
                }
            }
            sets.clear();
            sets_hearing_each_other(&present, join_timeline, time, &mut sets);
            self.update(time, &sets);
        }
    }

    /// Ends the conversations that are over and begins the new ones.
    fn update(&mut self, time: Time, sets: &[Set]) {
        let conversations = &mut self.conversations;
        self.open.retain(|open| {
            let conversation = &mut conversations[*open];
            let same = sets.iter().find(|set| set.people == conversation.people);
            match same {
                Some(set) => conversation.inferred |= set.inferred,
                None => conversation.end = Some(time),
            }
            same.is_some()
        });
        for Set { people, room, inferred } in sets {
            if self.open.iter().any(|&open| self.conversations[open].people == *people) {
                continue;
            }
            if self.seats + people.len() > limits::MAX_CONVERSATION_SEATS {
                self.beyond_limit += 1;
                continue;
            }
            self.seats += people.len();
            self.open.push(self.conversations.len());
            let (people, room, inferred) = (people.clone(), *room, *inferred);
            self.conversations.push(ConversationSpan { start: time, end: None, people, room, inferred });
        }
    }
}

/// The sets of two or more participants who hear each other at a time.
fn sets_hearing_each_other(
    present: &[Presence],
    join_timeline: &JoinTimeline,
    time: Time,
    sets: &mut SmallVec<[Set; 2]>,
) {
    if present.len() < 2 {
        return;
    }
    // Observed presences come before inferred ones.
    let mut places: SmallVec<[(SessionIdx, ParticipantIdx, bool, SessionIdx); 8]> = present
        .iter()
        .map(|at| (join_timeline.group(at.room, time), at.person, at.inferred, at.room))
        .collect();
    places.sort_unstable();
    places.dedup_by_key(|(group, person, ..)| (*group, *person));
    for place in places.chunk_by(|a, b| a.0 == b.0).filter(|place| place.len() >= 2) {
        let people: People = place.iter().map(|(_, person, ..)| *person).collect();
        if !sets.iter().any(|set| set.people == people) {
            let inferred = place.iter().any(|(_, _, inferred, _)| *inferred);
            sets.push(Set { people, room: place[0].3, inferred });
        }
    }
}
