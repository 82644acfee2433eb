//! The moves by which a call passed from one participant to another.

use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind, MoveKind},
};

use super::{
    Fold,
    legs::Leg,
    links::{End, Link},
    spans::is_parked,
};

/// A move, with participants by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: MoveKind,
    pub(crate) time: Time,
    pub(crate) by: Option<usize>,
    pub(crate) target: Option<usize>,
    /// The changes that report it.
    pub(crate) proof: Vec<usize>,
}

/// Whether in a move of this kind `by` and `target` are the same.
fn names_one_twice(kind: MoveKind) -> bool {
    matches!(
        kind,
        MoveKind::Switch | MoveKind::Flip | MoveKind::Pickup | MoveKind::Retrieve | MoveKind::TakeOver
    )
}

impl Fold<'_> {
    /// All moves, by time, then kind, then ids.
    pub(super) fn find_moves(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for leg in 0..self.legs.len() {
            for at in self.legs[leg].changes.clone() {
                let said = &self.changes[at].event.said;
                match said.code {
                    Some(Code::Disconnected) if said.reason.is_some() => {
                        self.disconnected(leg, at, &mut steps)
                    }
                    Some(Code::Parked) => self.parked(leg, at, &mut steps),
                    _ => {}
                }
            }
        }
        for link in &self.links {
            self.linked(link, &mut steps);
        }
        self.drop_repeated(&mut steps);
        // A call cannot be handed on to the one who hands it on: their own mailbox, their own other leg.
        steps.retain(|step| step.by.is_none() || step.by != step.target || names_one_twice(step.kind));
        let name = |kind: MoveKind| kind.as_str();
        // Participants are in order of their ids.
        steps.sort_by(|x, y| {
            let order = x.time.cmp(&y.time).then_with(|| name(x.kind).cmp(name(y.kind)));
            order.then_with(|| (x.by, x.target, &x.proof).cmp(&(y.by, y.target, &y.proof)))
        });
        steps
    }

    /// Moves that a leg's end reason reports.
    fn disconnected(&self, leg: usize, at: usize, steps: &mut Vec<Step>) {
        let Some(reason) = self.changes[at].event.said.reason else { return };
        let owner = self.legs[leg].person;
        if let Some(kind) = self.kind_of_handing_on(leg, at) {
            let target = self.next_leg(leg, at).and_then(|next| self.destination(next));
            steps.push(Step { kind, time: self.changes[at].time, by: owner, target, proof: vec![at] });
            return;
        }
        let (kind, by, target) = match reason {
            Reason::CallSwitch => (MoveKind::Switch, owner, owner),
            Reason::CallFlip => (
                MoveKind::Flip,
                owner,
                self.flipped_to(leg, at).and_then(|flipped| self.legs[flipped].person),
            ),
            Reason::CallPark | Reason::ParkLocation => (MoveKind::Park, owner, None),
            Reason::Pickup if !self.is_taken_by_link(leg, at) => {
                let taker = self.taker(leg, at).and_then(|taker| self.legs[taker].person);
                let was_parked = self.legs[leg].state_before(self.changes[at].time) == Some(LegState::Parked);
                let kind = match was_parked {
                    true => MoveKind::Retrieve,
                    false if taker == owner => MoveKind::Switch,
                    false => MoveKind::Pickup,
                };
                (kind, taker, taker)
            }
            Reason::TakeOver => {
                let monitor = self.latest_monitor(self.legs[leg].room, self.changes[at].time);
                let taker =
                    monitor.and_then(|monitor| self.legs[monitor].person).or_else(|| self.took_over(leg));
                (MoveKind::TakeOver, taker, taker)
            }
            _ => return,
        };
        steps.push(Step { kind, time: self.changes[at].time, by, target, proof: vec![at] });
    }

    /// How a change hands the call on: a person transfers it, or a rule forwards it.
    pub(super) fn kind_of_handing_on(&self, leg: usize, at: usize) -> Option<MoveKind> {
        let change = &self.changes[at];
        if change.event.said.code != Some(Code::Disconnected) {
            return None;
        }
        match change.event.said.reason? {
            Reason::BlindTransfer | Reason::RccTransfer | Reason::DtmfTransfer => {
                let is_person = self.is_person(self.legs[leg].person) || self.legs[leg].talks_at(change.time);
                is_person.then_some(MoveKind::BlindTransfer)
            }
            // A user's leg that a rule forwarded at once looks like a router's; a queue or a menu makes no move.
            Reason::CallRedirected => {
                let hands_on =
                    matches!(self.legs[leg].kind, Kind::Queue | Kind::Menu | Kind::Machine | Kind::Group);
                (!hands_on).then_some(MoveKind::Forward)
            }
            _ => None,
        }
    }

    /// The first leg of the session that began after a change; if there is none, the latest one that began before it
    /// and was not answered yet.
    pub(super) fn next_leg(&self, leg: usize, at: usize) -> Option<usize> {
        let sequence = self.changes[at].event.sequence;
        let time = self.changes[at].time;
        let legs = self.rooms[self.legs[leg].room].legs.clone();
        // Legs are in order of their first change; one notification may end one leg and begin another.
        let begun = legs.start + self.legs[legs.clone()].partition_point(|leg| leg.first_sequence < sequence);
        let counts = |&other: &usize| {
            other != leg && !self.legs[other].supervises && self.legs[other].kind != Kind::Proxy
        };
        let unanswered = |&other: &usize| {
            let other = &self.legs[other];
            other.is_inbound() && !self.answered_before(other, time) && other.end.is_none_or(|end| end > time)
        };
        (begun..legs.end).find(counts).or_else(|| (legs.start..begun).rev().filter(counts).find(unanswered))
    }

    fn answered_before(&self, leg: &Leg<'_>, time: Time) -> bool {
        let answered = |change: &super::Change<'_>| {
            change.event.said.code == Some(Code::Answered) && change.time <= time
        };
        self.changes[leg.changes.clone()].iter().any(answered)
    }

    /// The participant that a call went to with a leg: its owner, or the queue that offers it.
    fn destination(&self, leg: usize) -> Option<usize> {
        self.offering_queue(leg).or(self.legs[leg].person)
    }

    /// The queue that offers the call by this leg.
    pub(super) fn offering_queue(&self, leg: usize) -> Option<usize> {
        self.person_with_extension(self.offered_by(leg)?)
    }

    /// The latest leg: the one that the call was flipped to rings before the old one ends.
    pub(super) fn flipped_to(&self, leg: usize, at: usize) -> Option<usize> {
        let sequence = self.changes[at].event.sequence;
        let mut begun = self.rooms[self.legs[leg].room].legs.clone().filter(|&other| {
            let other = &self.legs[other];
            other.first_sequence < sequence && !other.supervises
        });
        begun.next_back().filter(|&latest| latest != leg).or_else(|| self.next_leg(leg, at))
    }

    /// The leg that took a call from one that rang. It is answered without ringing, and may begin before all ringing
    /// legs have been reported.
    pub(super) fn taker(&self, leg: usize, at: usize) -> Option<usize> {
        let (first, sequence) = (self.legs[leg].first_sequence, self.changes[at].event.sequence);
        let taken_already = |&other: &usize| {
            let other = &self.legs[other];
            (first..sequence).contains(&other.first_sequence)
                && !other.rang()
                && !other.supervises
                && other.kind.is_person()
                && self.answered_before(other, self.changes[at].time)
        };
        let legs = self.rooms[self.legs[leg].room].legs.clone();
        let next = self.next_leg(leg, at);
        let began_after = |next: &usize| self.legs[*next].first_sequence >= sequence;
        next.filter(began_after).or_else(|| legs.rev().find(taken_already)).or(next)
    }

    /// Whether a party dialled in from another session to take a ringing call: then that link gives the move.
    fn is_taken_by_link(&self, leg: usize, at: usize) -> bool {
        let room = self.legs[leg].room;
        self.links.iter().any(|link| {
            link.kind == LinkKind::Pickup
                && link.b.room == room
                && (self.changes[at].time - link.start).abs() <= Self::PICKUP_LAG_MS
                && !self.has_parked(room, link.start)
        })
    }

    /// Maximum time between a pickup by link and the end of the ringing or parked legs.
    const PICKUP_LAG_MS: i64 = 2_000;

    fn took_over(&self, leg: usize) -> Option<usize> {
        let room = self.legs[leg].room;
        let link = self
            .links
            .iter()
            .find(|link| link.kind == LinkKind::TakeOver && link.ends().iter().any(|end| end.room == room))?;
        self.legs[link.a.leg?].person
    }

    /// A park that the parked leg reports.
    fn parked(&self, leg: usize, at: usize, steps: &mut Vec<Step>) {
        let by = self.parker(leg, self.changes[at].time);
        steps.push(Step {
            kind: MoveKind::Park,
            time: self.changes[at].time,
            by,
            target: None,
            proof: vec![at],
        });
    }

    /// The user who was last connected, or holding, with the parked party.
    fn parker(&self, leg: usize, time: Time) -> Option<usize> {
        let parked = &self.legs[leg];
        let number = |room| self.joints.number_before(room, time);
        let with_them = |other: &&Leg<'_>| {
            other.person != parked.person
                && (other.kind == Kind::User || other.talks_from.is_some_and(|from| from <= time))
                && other.start <= time
                && number(other.room) == number(parked.room)
        };
        let last = self.legs.iter().filter(with_them).filter_map(|other| {
            let active = |span: &&super::legs::Span| {
                matches!(span.state, LegState::Connected | LegState::Holding) && span.start <= time
            };
            let span = other.spans.iter().rfind(active)?;
            let until = span.end.map_or(time, |end| end.min(time));
            // A leg in the parked leg's own session is nearest to it.
            Some((until, other.room == parked.room, span.start, other.person?))
        });
        // If the far side was not observed, it may have parked the call.
        let is_one_sided = self.implied.iter().any(|side| side.room == parked.room);
        let own = || parked.person.filter(|_| parked.kind == Kind::User && !is_one_sided);
        last.max().map(|(.., person)| person).or_else(own)
    }

    /// Moves that a link gives.
    fn linked(&self, link: &Link, steps: &mut Vec<Step>) {
        let step = |kind, by, target| Step { kind, time: link.start, by, target, proof: link.proof.clone() };
        match link.kind {
            LinkKind::AttendedTransfer => {
                let (by, target) = self.transfer(link);
                steps.push(step(MoveKind::AttendedTransfer, by, target));
            }
            LinkKind::Transfer => {
                let (by, target) = self.transfer(link);
                steps.push(step(MoveKind::Transfer, by, target));
            }
            LinkKind::Conference => {
                let host = self.host_of(link);
                let brought_in = |end: &End| self.in_room(end.room, link.start, host);
                let mut people = brought_in(self.joined_end_of(link));
                if !self.has_bridge(link) {
                    people.extend(brought_in(self.bridge_of(link)));
                    people.sort_unstable();
                    people.dedup();
                }
                let steps_in =
                    people.into_iter().map(|person| step(MoveKind::Conference, host, Some(person)));
                steps.extend(steps_in);
            }
            LinkKind::Pickup => {
                let taker = link.a.leg.and_then(|leg| self.legs[leg].person);
                if self.has_parked(link.b.room, link.start) {
                    steps.push(step(MoveKind::Retrieve, taker, taker));
                } else if let Some(ringing) = self.taken_from(link) {
                    let same_user = self.legs[ringing].person == taker;
                    let kind = if same_user { MoveKind::Switch } else { MoveKind::Pickup };
                    steps.push(step(kind, taker, taker));
                }
            }
            LinkKind::Supervising | LinkKind::TakeOver => {}
        }
    }

    fn has_parked(&self, room: usize, time: Time) -> bool {
        let number = |room| self.joints.number_before(room, time);
        // The parked session's clock may differ from that of the session that resumes it.
        let until = |end: Time| time - end <= Self::PICKUP_LAG_MS;
        let parked = |leg: &Leg<'_>| {
            leg.spans.iter().any(|span| is_parked(span) && span.start <= time && span.end.is_none_or(until))
        };
        self.legs.iter().any(|leg| number(leg.room) == number(room) && parked(leg))
    }

    /// The ringing leg of a room that was picked up.
    fn taken_from(&self, link: &Link) -> Option<usize> {
        let time = link.start;
        let number = |room| self.joints.number_before(room, time);
        let picked_up = |leg: usize| {
            let last = self.legs[leg].ended_by.map(|at| &self.changes[at].event.said);
            last.is_some_and(|said| said.reason == Some(Reason::Pickup))
        };
        let ringing = |leg: usize| {
            let state = self.legs[leg].state_before(time);
            matches!(state, Some(LegState::Setup | LegState::Ringing)) && self.legs[leg].is_inbound()
        };
        let in_room =
            |&leg: &usize| number(self.legs[leg].room) == number(link.b.room) && link.a.leg != Some(leg);
        let legs = || (0..self.legs.len()).filter(in_room);
        let named = link.b.leg.filter(|&leg| ringing(leg) || picked_up(leg));
        named.or_else(|| legs().find(|&leg| ringing(leg))).or_else(|| legs().find(|&leg| picked_up(leg)))
    }

    /// Who transferred and to whom: the owner of the `Gone` legs, and the participant who is connected or ringing in
    /// the consultation.
    fn transfer(&self, link: &Link) -> (Option<usize>, Option<usize>) {
        let by = self.opener_of(link);
        let consultation = self.consultation(link);
        let target = match self.rooms[consultation].start {
            Some(_) => self.consulted(consultation, link.start, by),
            None => None,
        };
        (by, target)
    }

    /// The room in which the mover's leg is Outbound, if exactly one is; else the one that is not the root; else the
    /// one that began later. One that was not observed counts as later.
    fn consultation(&self, link: &Link) -> usize {
        let outbound = |end: &End| match end.leg {
            Some(leg) => Some(!self.legs[leg].is_inbound()),
            // The mover's leg was not observed: it began the session if no other leg is known to have begun it.
            None => {
                let room = &self.rooms[end.room];
                room.start.map(|_| room.originator.is_none())
            }
        };
        match (outbound(&link.a), outbound(&link.b)) {
            (Some(true), Some(false)) => link.a.room,
            (Some(false), Some(true)) => link.b.room,
            _ if link.a.room == self.root => link.b.room,
            _ if link.b.room == self.root => link.a.room,
            // Rooms are in order of their start, unobserved ones last.
            _ => link.a.room.max(link.b.room),
        }
    }

    /// The person, or the queue, in a consultation when its link opens.
    fn consulted(&self, room: usize, time: Time, mover: Option<usize>) -> Option<usize> {
        let number = |room| self.joints.number_before(room, time);
        let joined = |other: usize| number(other) == number(room);
        // A participant who moved on from the consultation into a bridge is still the one consulted.
        let called = |&person: &usize| {
            let mut legs = self.rooms[room].legs.clone().map(|leg| &self.legs[leg]);
            legs.any(|leg| leg.person == Some(person) && leg.start < time)
        };
        let went_on = || self.in_room(room, time, mover).into_iter().find(called);
        let nearest = self.present_in(time, mover, |other| other == room);
        let nearest = nearest.or_else(went_on).or_else(|| self.present_in(time, mover, joined));
        let called = || {
            let callee = self.implied.iter().find(|side| side.room == room && !side.is_caller);
            callee.map(|side| side.person).filter(|callee| Some(*callee) != mover)
        };
        nearest.or_else(|| self.coming_to(room, time, mover)).or_else(called)
    }

    /// The participant who arrives in a room, or whose mailbox answered there, when the room is empty.
    fn coming_to(&self, room: usize, time: Time, mover: Option<usize>) -> Option<usize> {
        let mut legs = self.rooms[room].legs.clone().filter(|&leg| {
            let leg = &self.legs[leg];
            leg.person != mover
                && match leg.state_before(time).or_else(|| leg.state_at(time)) {
                    Some(LegState::Voicemail) => true,
                    None => leg.start > time && leg.kind.is_person(),
                    Some(_) => false,
                }
        });
        legs.find_map(|leg| self.legs[leg].person)
    }

    /// The participant who is connected or ringing at that time in the rooms for which `here` is true. A connected
    /// one comes before a queue that rings its agents, and a queue before one who rings.
    fn present_in(&self, time: Time, mover: Option<usize>, here: impl Fn(usize) -> bool) -> Option<usize> {
        let mut connected = None;
        let mut queue = None;
        let mut ringing = None;
        for (index, leg) in self.legs.iter().enumerate().filter(|(_, leg)| here(leg.room)) {
            let Some(person) = leg.person.filter(|person| Some(*person) != mover) else { continue };
            let originates = self.rooms[leg.room].originator == Some(index);
            let place = match leg.state_before(time).or_else(|| leg.state_at(time)) {
                Some(LegState::Connected | LegState::Holding | LegState::Parked) if leg.talks_at(time) => {
                    &mut connected
                }
                Some(_) if originates && leg.talks_at(time) => &mut connected,
                Some(LegState::Setup | LegState::Ringing) => match (leg.kind, self.offering_queue(index)) {
                    (Kind::Queue, _) => &mut queue,
                    (_, Some(offering)) => {
                        queue.get_or_insert(offering);
                        continue;
                    }
                    (Kind::Supervisor | Kind::Proxy, None) => continue,
                    (_, None) => &mut ringing,
                },
                _ => continue,
            };
            place.get_or_insert(person);
        }
        let implied = self.implied.iter().filter(|side| here(side.room) && side.is_there_before(time));
        let mut implied = implied.map(|side| side.person).filter(|person| Some(*person) != mover);
        connected.or_else(|| implied.next()).or(queue).or(ringing)
    }

    /// The people who are in a room that is being joined to a bridge, and in the rooms joined with it.
    fn in_room(&self, room: usize, time: Time, host: Option<usize>) -> Vec<usize> {
        let number = |room| self.joints.number_before(room, time);
        let here = |other: usize| number(other) == number(room);
        let mut people: Vec<usize> = Vec::new();
        for (index, leg) in self.legs.iter().enumerate().filter(|(_, leg)| here(leg.room)) {
            let originates = self.rooms[leg.room].originator == Some(index);
            let present = match leg.state_before(time) {
                Some(LegState::Connected | LegState::Holding | LegState::Parked) => true,
                Some(LegState::Setup | LegState::Ringing) => originates,
                _ => false,
            };
            people.extend(leg.person.filter(|_| present && leg.talks_at(time)));
        }
        let implied = self.implied.iter().filter(|side| here(side.room) && side.is_there_before(time));
        people.extend(implied.map(|side| side.person));
        people.retain(|person| Some(*person) != host);
        people.sort_unstable();
        people.dedup();
        match people.is_empty() {
            // No one has answered yet: the one who rings is brought in.
            true => {
                let ringing = self.present_in(time, host, here);
                ringing.or_else(|| self.coming_to(room, time, host)).into_iter().collect()
            }
            false => people,
        }
    }

    /// Keeps one of several reports of the same move.
    fn drop_repeated(&self, steps: &mut Vec<Step>) {
        steps.sort_by_key(|step| step.time);
        let mut kept: Vec<Step> = Vec::with_capacity(steps.len());
        for step in steps.drain(..) {
            let same = kept.iter_mut().rev().find(|known| self.are_one(known, &step));
            match same {
                Some(known) => known.proof.extend(step.proof),
                None => kept.push(step),
            }
        }
        *steps = kept;
    }

    /// Whether two reports are one move: a park reported twice or by both its legs, a pickup reported by every leg
    /// that stopped ringing.
    fn are_one(&self, known: &Step, step: &Step) -> bool {
        if known.kind != step.kind {
            return false;
        }
        let leg = |step: &Step| self.leg_of_change(step.proof[0]);
        let (a, b) = (&self.legs[leg(known)], &self.legs[leg(step)]);
        match step.kind {
            MoveKind::Park => {
                let parked = if a.codes.has(Code::Parked) { a } else { b };
                let apart = |span: &super::legs::Span| {
                    let was_back = matches!(span.state, LegState::Connected | LegState::Holding);
                    was_back && known.time < span.start && span.start <= step.time
                };
                a.room == b.room && !parked.spans.iter().any(apart)
            }
            MoveKind::Pickup => known.target == step.target && a.room == b.room && leg(known) != leg(step),
            _ => false,
        }
    }
}
