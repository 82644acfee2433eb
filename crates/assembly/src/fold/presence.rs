//! Who was connected in which room, and so who heard whom.

use smallvec::SmallVec;
use wholecall_record::{
    ParticipantId, Time,
    call::{Kind, LegState, LinkKind, State},
};

use super::{
    Fold,
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    legs::Leg,
    links::JoinTimeline,
    people::supervisors_of,
};
use crate::{index::IdxVec, limits};

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

impl Fold<'_> {
    pub(super) fn find_conversations(&mut self) {
        let mut presences = SmallVec::new();
        for (index, leg) in self.legs.iter_enumerated() {
            self.presences_of(index, leg, &mut presences);
        }
        self.find_inferred_presence();
        for side in &self.inferred_parties {
            let inferred = self.people[side.person].kind != Kind::External;
            let (room, person) = (side.room, side.person);
            let present = side.present.iter();
            presences.extend(present.map(|&(start, end)| Presence { room, person, start, end, inferred }));
        }
        self.presences_of_hosts(&mut presences);
        presences.retain(|presence| presence.end.is_none_or(|end| presence.start < end));
        let mut first_presence = IdxVec::filled(None, self.people.len());
        for presence in &presences {
            let first: &mut Option<Time> = &mut first_presence[presence.person];
            *first = Some(first.map_or(presence.start, |first| first.min(presence.start)));
        }
        let mut sweep =
            ConversationSweep { open: SmallVec::new(), conversations: Vec::new(), seats: 0, beyond_limit: 0 };
        sweep.run(presences, &self.join_timeline);
        self.conversations = sweep.conversations;
        self.conversations.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| a.people.cmp(&b.people)));
        self.conversations_beyond_limit = sweep.beyond_limit;
        self.first_present = first_presence;
    }

    fn presences_of(&self, index: LegIdx, leg: &Leg<'_>, presences: &mut SmallVec<[Presence; 8]>) {
        let Some(person) = leg.person else { return };
        if !leg.kind.is_person() && leg.talks_from.is_none() {
            return;
        }
        let originates = self.rooms[leg.room].originator == Some(index);
        if originates {
            // Connected from its first event, even if that has no known state.
            let end = leg.spans.first().map(|span| span.start).or(leg.end);
            presences.push(Presence { room: leg.room, person, start: leg.start, end, inferred: false });
        }
        for span in &leg.spans {
            let is_present = match span.state {
                LegState::Connected => true,
                LegState::Setup | LegState::Ringing => originates,
                _ => false,
            };
            if is_present {
                let start = leg.talks_from.map_or(span.start, |from| from.max(span.start));
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
            let seen = legs.any(|leg| self.legs[leg].person == Some(host) && stays(leg));
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
            let others = self.legs.iter().filter(|leg| leg.kind != Kind::Proxy && leg.person != Some(host));
            others.filter(|leg| leg.end.is_none_or(|end| end > start))
        };
        if others().next().is_none() {
            return self.host_ended(host);
        }
        let ends = others().filter_map(|leg| leg.end);
        let mut times: Vec<Time> =
            ends.chain(self.join_timeline.times()).chain([start]).filter(|&time| time >= start).collect();
        times.sort_unstable();
        times.dedup();
        times.into_iter().find(|&time| {
            let group = |room| self.join_timeline.group(room, time);
            let in_the_way = |leg: &Leg<'_>| {
                leg.start <= time && leg.end.is_none_or(|end| end > time) && group(leg.room) == group(bridge)
            };
            !others().any(in_the_way)
        })
    }

    /// When the last leg of a conference's host ended, if no other participant's leg was observed.
    fn host_ended(&self, host: ParticipantIdx) -> Option<Time> {
        let ends: Option<Vec<Time>> = self.people[host].legs.iter().map(|&leg| self.legs[leg].end).collect();
        ends?.into_iter().max()
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

    pub(super) fn find_monitors(&mut self) {
        let own = self.legs.iter().filter(|leg| leg.supervises).filter_map(|leg| leg.person);
        let mut monitors: Vec<ParticipantId> = own.map(|person| self.people[person].id.clone()).collect();
        for session in &self.input.listeners {
            monitors.extend(supervisors_of(session));
        }
        monitors.sort_unstable();
        monitors.dedup();
        self.monitors = monitors;
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
