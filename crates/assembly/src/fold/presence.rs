//! Who was on the line in which room, and so who heard whom.

use smallvec::SmallVec;
use wholecall_notification::Code;
use wholecall_record::{
    ParticipantId, Time,
    call::{Kind, LegState, LinkKind, State},
};

use super::{
    Fold,
    legs::Leg,
    links::{End, Joints, Link},
    people::{Implied, extension_id},
};
use crate::limits;

/// A stretch in which one fixed set of people heard each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
    /// In order.
    pub(crate) people: People,
}

/// People who hear each other, in order.
pub(crate) type People = SmallVec<[usize; 4]>;

/// A stretch in which somebody was on the line in a room.
#[derive(Debug, Clone, Copy)]
struct Presence {
    room: usize,
    person: usize,
    start: Time,
    end: Option<Time>,
}

impl Fold<'_> {
    pub(super) fn find_talks(&mut self) {
        let mut presences = SmallVec::new();
        for (index, leg) in self.legs.iter().enumerate() {
            self.presences_of(index, leg, &mut presences);
        }
        for index in 0..self.implied.len() {
            let mut present = self.implied_presence(&self.implied[index]);
            self.take_out_movers(&self.implied[index], &mut present);
            let Implied { room, person, .. } = self.implied[index];
            presences.extend(present.iter().map(|&(start, end)| Presence { room, person, start, end }));
            self.implied[index].present = present;
        }
        self.presences_of_hosts(&mut presences);
        presences.retain(|presence| presence.end.is_none_or(|end| presence.start < end));
        let mut hearing = Hearing { open: SmallVec::new(), talks: Vec::new(), seats: 0, beyond: 0 };
        hearing.run(presences, &self.joints);
        self.talks = hearing.talks;
        self.talks.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| a.people.cmp(&b.people)));
        self.talk_limit = hearing.beyond;
    }

    fn presences_of(&self, index: usize, leg: &Leg<'_>, presences: &mut SmallVec<[Presence; 8]>) {
        let Some(person) = leg.person else { return };
        if !leg.kind.is_person() && leg.talks_from.is_none() {
            return;
        }
        let originates = self.rooms[leg.room].originator == Some(index);
        if originates {
            // On the line from its first event, even if that did not say what it was doing.
            let end = leg.spans.first().map(|span| span.start).or(leg.end);
            presences.push(Presence { room: leg.room, person, start: leg.start, end });
        }
        for span in &leg.spans {
            let on_the_line = match span.state {
                LegState::Connected => true,
                LegState::Setup | LegState::Ringing => originates,
                _ => false,
            };
            if on_the_line {
                let start = leg.talks_from.map_or(span.start, |from| from.max(span.start));
                presences.push(Presence { room: leg.room, person, start, end: span.end });
            }
        }
    }

    /// An implied caller is on the line from the session's first event until its visible legs have ended;
    /// an implied callee from the originating leg's `Answered` until that leg ends or is gone.
    fn implied_presence(&self, side: &Implied) -> Vec<(Time, Option<Time>)> {
        let room = &self.rooms[side.room];
        if side.is_caller {
            let visible = room.legs.clone().filter(|&leg| self.legs[leg].kind != Kind::Proxy);
            let ends: Option<Vec<Time>> = visible.map(|leg| self.far_side_left(leg)).collect();
            let end = ends.and_then(|ends| ends.into_iter().max());
            return room.start.map(|start| (start, end)).into_iter().collect();
        }
        // A user who goes on at another device still has the callee on the line.
        let owner = room.originator.and_then(|leg| self.legs[leg].person);
        let mut present = Vec::new();
        for leg in room.legs.clone().filter(|&leg| self.legs[leg].person == owner) {
            let Some(answered) = self.first_answer(leg) else { continue };
            let spans = self.legs[leg].spans.iter().filter(|span| span.state != LegState::Gone);
            present.extend(spans.map(|span| (span.start.max(answered), span.end)));
        }
        present.retain(|(start, end)| end.is_none_or(|end| *start < end));
        present
    }

    /// Whose leg a link names is out from its start, even if that leg was never seen.
    fn take_out_movers(&self, side: &Implied, present: &mut Vec<(Time, Option<Time>)>) {
        let names_side = |link: &&Link| {
            let is_side = |end: &End| end.room == side.room && end.leg.is_none();
            link.empties_its_ends()
                && link.ends().into_iter().any(is_side)
                && self.opener_of(link) == Some(side.person)
        };
        for link in self.links.iter().filter(names_side) {
            let cut = |&(start, end): &(Time, Option<Time>)| {
                let before = (start, Some(end.map_or(link.start, |end| end.min(link.start))));
                let after = link.end.map(|closed| (start.max(closed), end));
                [Some(before), after].into_iter().flatten()
            };
            *present = present.iter().flat_map(cut).collect();
            present.retain(|(start, end)| end.is_none_or(|end| *start < end));
        }
    }

    /// When a leg's end tells that whoever it talked to has left too: a leg that went through a door leaves
    /// the others behind, but a conference host's leg that ends behind the door ends the room.
    fn far_side_left(&self, leg: usize) -> Option<Time> {
        let change =
            |code| self.changes_of(leg).iter().rev().find(move |change| change.event.said.code == Some(code));
        let named = |kinds: &[LinkKind]| {
            let ends = |link: &&Link| kinds.contains(&link.kind) && link.names(leg);
            self.links.iter().filter(ends).any(|link| link.end.is_none())
        };
        let gone_at = change(Code::Gone).map(|gone| gone.event.sequence);
        let came_back =
            change(Code::Answered).is_some_and(|answered| Some(answered.event.sequence) > gone_at);
        if named(&[LinkKind::Conference]) {
            return change(Code::Disconnected).map(|disconnected| disconnected.time);
        }
        let left =
            named(&[LinkKind::AttendedTransfer, LinkKind::Transfer]) || (gone_at.is_some() && !came_back);
        self.legs[leg].end.filter(|_| !left)
    }

    /// Who opened a conference whose bridge, or whose own leg in it, was never seen is present in it until
    /// every other leg of the joined rooms has ended.
    fn presences_of_hosts(&self, presences: &mut SmallVec<[Presence; 8]>) {
        let mut hosts: Vec<(usize, usize, Time)> = Vec::new();
        for link in self.links.iter().filter(|link| link.kind == LinkKind::Conference) {
            let bridge = self.bridge_of(link).room;
            let Some(host) = self.host_of(link) else { continue };
            // Of two calls merged without a bridge both legs are out.
            let stays = |leg| !link.names(leg) || self.is_host_in_the_bridge(leg, link);
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
            presences.push(Presence { room: bridge, person, start, end });
        }
    }

    /// The first time from `start` on when every leg but the host's has ended in the rooms joined to a
    /// bridge.
    fn bridge_empties_at(&self, bridge: usize, host: usize, start: Time) -> Option<Time> {
        let others = || {
            let others = self.legs.iter().filter(|leg| leg.kind != Kind::Proxy && leg.person != Some(host));
            others.filter(|leg| leg.end.is_none_or(|end| end > start))
        };
        let ends = others().filter_map(|leg| leg.end);
        let mut times: Vec<Time> =
            ends.chain(self.joints.times()).chain([start]).filter(|&time| time >= start).collect();
        times.sort_unstable();
        times.dedup();
        times.into_iter().find(|&time| {
            let number = |room| self.joints.number(room, time);
            let in_the_way = |leg: &Leg<'_>| {
                leg.start <= time
                    && leg.end.is_none_or(|end| end > time)
                    && number(leg.room) == number(bridge)
            };
            !others().any(in_the_way)
        })
    }

    /// The conversations that count, with their ends. A closed call's ended at the latest with the last thing
    /// known, and what began only then has no length.
    pub(super) fn talks(&self, state: State) -> impl Iterator<Item = (&Talk, Option<Time>)> {
        let at_the_latest = (state != State::Live).then_some(self.last_event);
        let ended = self.talks.iter().map(move |talk| (talk, talk.end.or(at_the_latest)));
        ended.filter(|(talk, end)| end.is_none_or(|end| talk.start < end))
    }

    pub(super) fn find_monitors(&mut self) {
        let own = self.legs.iter().filter(|leg| leg.supervises).filter_map(|leg| leg.person);
        let mut monitors: Vec<ParticipantId> = own.map(|person| self.people[person].id.clone()).collect();
        for session in &self.material.listeners {
            monitors.extend(supervisors_of(session));
        }
        monitors.sort_unstable();
        monitors.dedup();
        self.monitors = monitors;
    }
}

/// The supervisors who began a session of another call.
fn supervisors_of(session: &crate::session::Session) -> impl Iterator<Item = ParticipantId> {
    let supervising = session.events().filter(|event| {
        event.said.reason == Some(wholecall_notification::Reason::Supervising) && event.said.peer().is_some()
    });
    supervising.filter_map(|event| session.legs.extension(event.leg).map(extension_id))
}

/// Finds out who heard whom, going through time once.
struct Hearing {
    /// Conversations that go on: their people, and where they stand among the talks.
    open: SmallVec<[usize; 4]>,
    talks: Vec<Talk>,
    seats: usize,
    beyond: u64,
}

impl Hearing {
    fn run(&mut self, mut starting: SmallVec<[Presence; 8]>, joints: &Joints) {
        starting.sort_by_key(|presence| std::cmp::Reverse(presence.start));
        let ends = starting.iter().filter_map(|presence| presence.end);
        let mut times: SmallVec<[Time; 16]> =
            starting.iter().map(|presence| presence.start).chain(ends).chain(joints.times()).collect();
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
            who_hear_each_other(&present, joints, time, &mut sets);
            self.proceed(time, &sets);
        }
    }

    /// Ends the conversations that no longer go on and begins the new ones.
    fn proceed(&mut self, time: Time, sets: &[People]) {
        let talks = &mut self.talks;
        self.open.retain(|open| {
            let open = *open;
            let goes_on = sets.contains(&talks[open].people);
            if !goes_on {
                talks[open].end = Some(time);
            }
            goes_on
        });
        for people in sets {
            if self.open.iter().any(|&open| self.talks[open].people == *people) {
                continue;
            }
            if self.seats + people.len() > limits::CONVERSATION_SEATS {
                self.beyond += 1;
                continue;
            }
            self.seats += people.len();
            self.open.push(self.talks.len());
            self.talks.push(Talk { start: time, end: None, people: people.clone() });
        }
    }
}

/// The sets of two people and more who hear each other at a time.
fn who_hear_each_other(present: &[Presence], joints: &Joints, time: Time, sets: &mut SmallVec<[People; 2]>) {
    if present.len() < 2 {
        return;
    }
    let mut places: SmallVec<[(u32, usize); 8]> =
        present.iter().map(|presence| (joints.number(presence.room, time), presence.person)).collect();
    places.sort_unstable();
    places.dedup();
    for place in places.chunk_by(|a, b| a.0 == b.0).filter(|place| place.len() >= 2) {
        let people: People = place.iter().map(|(_, person)| *person).collect();
        if !sets.contains(&people) {
            sets.push(people);
        }
    }
}
