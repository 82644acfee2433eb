//! The moves by which a call passed from one participant to another.

use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind, MoveKind},
};

use super::{
    Fold,
    ids::{ChangeIdx, LegIdx, ParticipantIdx, SessionIdx},
    legs::Leg,
    links::{End, Link},
    spans::is_parked,
};

/// A move, with participants by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetectedMove {
    pub(crate) kind: MoveKind,
    pub(crate) time: Time,
    pub(crate) by: Option<ParticipantIdx>,
    pub(crate) target: Option<ParticipantIdx>,
    /// The changes that report it.
    pub(crate) proof: Vec<ChangeIdx>,
}

/// Whether in a move of this kind `by` and `target` are the same.
fn has_single_participant(kind: MoveKind) -> bool {
    matches!(
        kind,
        MoveKind::Switch | MoveKind::Flip | MoveKind::Pickup | MoveKind::Retrieve | MoveKind::TakeOver
    )
}

impl Fold<'_> {
    /// All moves, by time, then kind, then ids.
    pub(super) fn find_moves(&self) -> Vec<DetectedMove> {
        let mut moves = Vec::new();
        for leg in self.legs.indices() {
            for at in self.legs[leg].changes.clone() {
                let status = &self.changes[at].event.status;
                match status.code {
                    Some(Code::Disconnected) if status.reason.is_some() => {
                        self.add_end_moves(leg, at, &mut moves)
                    }
                    Some(Code::Parked) => self.parked(leg, at, &mut moves),
                    _ => {}
                }
            }
        }
        for link in &self.links {
            self.add_link_moves(link, &mut moves);
        }
        self.merge_repeated(&mut moves);
        // A call cannot be handed on to the one who hands it on: their own mailbox, their own other leg.
        moves.retain(|detected| {
            detected.by.is_none() || detected.by != detected.target || has_single_participant(detected.kind)
        });
        let name = |kind: MoveKind| kind.as_str();
        // Participants are in order of their ids.
        moves.sort_by(|x, y| {
            let order = x.time.cmp(&y.time).then_with(|| name(x.kind).cmp(name(y.kind)));
            order.then_with(|| (x.by, x.target, &x.proof).cmp(&(y.by, y.target, &y.proof)))
        });
        moves
    }

    /// Moves that a leg's end reason reports.
    fn add_end_moves(&self, leg: LegIdx, at: ChangeIdx, moves: &mut Vec<DetectedMove>) {
        let Some(reason) = self.changes[at].event.status.reason else { return };
        let owner = self.legs[leg].person;
        if let Some(kind) = self.hand_on_kind(leg, at) {
            let target = self.next_leg(leg, at).and_then(|next| self.destination(next));
            moves.push(DetectedMove {
                kind,
                time: self.changes[at].time,
                by: owner,
                target,
                proof: vec![at],
            });
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
        moves.push(DetectedMove { kind, time: self.changes[at].time, by, target, proof: vec![at] });
    }

    /// How a change hands the call on: a person transfers it, or a rule forwards it.
    pub(super) fn hand_on_kind(&self, leg: LegIdx, at: ChangeIdx) -> Option<MoveKind> {
        let change = &self.changes[at];
        if change.event.status.code != Some(Code::Disconnected) {
            return None;
        }
        match change.event.status.reason? {
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
    pub(super) fn next_leg(&self, leg: LegIdx, at: ChangeIdx) -> Option<LegIdx> {
        let sequence = self.changes[at].event.sequence;
        let time = self.changes[at].time;
        let legs = self.rooms[self.legs[leg].room].legs.clone();
        // Legs are in order of their first change; one notification may end one leg and begin another.
        let is_earlier = |leg: &Leg<'_>| leg.first_sequence < sequence;
        let later = self.legs[&legs].partition_point(is_earlier);
        let counts = |&other: &LegIdx| {
            other != leg && !self.legs[other].supervises && self.legs[other].kind != Kind::Proxy
        };
        let unanswered = |&other: &LegIdx| {
            let other = &self.legs[other];
            other.is_inbound() && !self.answered_before(other, time) && other.end.is_none_or(|end| end > time)
        };
        let (earlier, mut later) = legs.split_at(later);
        later.find(counts).or_else(|| earlier.rev().filter(counts).find(unanswered))
    }

    fn answered_before(&self, leg: &Leg<'_>, time: Time) -> bool {
        let answered = |change: &super::Change<'_>| {
            change.event.status.code == Some(Code::Answered) && change.time <= time
        };
        self.changes[&leg.changes].iter().any(answered)
    }

    /// The participant that a call went to with a leg: its owner, or the queue that offers it.
    fn destination(&self, leg: LegIdx) -> Option<ParticipantIdx> {
        self.offering_queue(leg).or(self.legs[leg].person)
    }

    /// The queue that offers the call by this leg.
    pub(super) fn offering_queue(&self, leg: LegIdx) -> Option<ParticipantIdx> {
        self.person_with_extension(self.offered_by(leg)?)
    }

    /// The latest leg: the one that the call was flipped to rings before the old one ends.
    pub(super) fn flipped_to(&self, leg: LegIdx, at: ChangeIdx) -> Option<LegIdx> {
        let sequence = self.changes[at].event.sequence;
        let mut earlier = self.rooms[self.legs[leg].room].legs.clone().filter(|&other| {
            let other = &self.legs[other];
            other.first_sequence < sequence && !other.supervises
        });
        earlier.next_back().filter(|&latest| latest != leg).or_else(|| self.next_leg(leg, at))
    }

    /// The leg that took a call from one that rang. It is answered without ringing, and may begin before all ringing
    /// legs have been reported.
    pub(super) fn taker(&self, leg: LegIdx, at: ChangeIdx) -> Option<LegIdx> {
        let (first, sequence) = (self.legs[leg].first_sequence, self.changes[at].event.sequence);
        let taken_already = |&other: &LegIdx| {
            let other = &self.legs[other];
            (first..sequence).contains(&other.first_sequence)
                && !other.rang()
                && !other.supervises
                && other.kind.is_person()
                && self.answered_before(other, self.changes[at].time)
        };
        let legs = self.rooms[self.legs[leg].room].legs.clone();
        let next = self.next_leg(leg, at);
        let began_after = |next: &LegIdx| self.legs[*next].first_sequence >= sequence;
        next.filter(began_after).or_else(|| legs.rev().find(taken_already)).or(next)
    }

    /// Whether a party dialled in from another session to take a ringing call: then that link gives the move.
    fn is_taken_by_link(&self, leg: LegIdx, at: ChangeIdx) -> bool {
        let room = self.legs[leg].room;
        self.links.iter().any(|link| {
            link.kind == LinkKind::Pickup
                && link.b.room == room
                && (self.changes[at].time - link.start).abs() <= Self::MAX_PICKUP_LAG_MS
                && !self.has_parked(room, link.start)
        })
    }

    /// Maximum time between a pickup by link and the end of the ringing or parked legs.
    const MAX_PICKUP_LAG_MS: i64 = 2_000;

    fn took_over(&self, leg: LegIdx) -> Option<ParticipantIdx> {
        let room = self.legs[leg].room;
        let link = self
            .links
            .iter()
            .find(|link| link.kind == LinkKind::TakeOver && link.ends().iter().any(|end| end.room == room))?;
        self.legs[link.a.leg?].person
    }

    /// A park that the parked leg reports.
    fn parked(&self, leg: LegIdx, at: ChangeIdx, moves: &mut Vec<DetectedMove>) {
        let by = self.parker(leg, self.changes[at].time);
        moves.push(DetectedMove {
            kind: MoveKind::Park,
            time: self.changes[at].time,
            by,
            target: None,
            proof: vec![at],
        });
    }

    /// The user who was last connected, or holding, with the parked party.
    fn parker(&self, leg: LegIdx, time: Time) -> Option<ParticipantIdx> {
        let parked = &self.legs[leg];
        let group = |room| self.join_timeline.group_before(room, time);
        let with_them = |other: &&Leg<'_>| {
            other.person != parked.person
                && (other.kind == Kind::User || other.talks_from.is_some_and(|from| from <= time))
                && other.start <= time
                && group(other.room) == group(parked.room)
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
        let is_one_sided = self.inferred_parties.iter().any(|side| side.room == parked.room);
        let own = || parked.person.filter(|_| parked.kind == Kind::User && !is_one_sided);
        last.max().map(|(.., person)| person).or_else(own)
    }

    /// Moves that a link gives.
    fn add_link_moves(&self, link: &Link, moves: &mut Vec<DetectedMove>) {
        let new_move =
            |kind, by, target| DetectedMove { kind, time: link.start, by, target, proof: link.proof.clone() };
        match link.kind {
            LinkKind::AttendedTransfer => {
                let (by, target) = self.transfer(link);
                moves.push(new_move(MoveKind::AttendedTransfer, by, target));
            }
            LinkKind::Transfer => {
                let (by, target) = self.transfer(link);
                moves.push(new_move(MoveKind::Transfer, by, target));
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
                let brought_in_moves =
                    people.into_iter().map(|person| new_move(MoveKind::Conference, host, Some(person)));
                moves.extend(brought_in_moves);
            }
            LinkKind::Pickup => {
                let taker = link.a.leg.and_then(|leg| self.legs[leg].person);
                if self.has_parked(link.b.room, link.start) {
                    moves.push(new_move(MoveKind::Retrieve, taker, taker));
                } else if let Some(ringing) = self.taken_from(link) {
                    let same_user = self.legs[ringing].person == taker;
                    let kind = if same_user { MoveKind::Switch } else { MoveKind::Pickup };
                    moves.push(new_move(kind, taker, taker));
                }
            }
            LinkKind::Supervising | LinkKind::TakeOver => {}
        }
    }

    fn has_parked(&self, room: SessionIdx, time: Time) -> bool {
        let group = |room| self.join_timeline.group_before(room, time);
        // The parked session's clock may differ from that of the session that resumes it.
        let until = |end: Time| time - end <= Self::MAX_PICKUP_LAG_MS;
        let parked = |leg: &Leg<'_>| {
            leg.spans.iter().any(|span| is_parked(span) && span.start <= time && span.end.is_none_or(until))
        };
        self.legs.iter().any(|leg| group(leg.room) == group(room) && parked(leg))
    }

    /// The ringing leg of a room that was picked up.
    fn taken_from(&self, link: &Link) -> Option<LegIdx> {
        let time = link.start;
        let group = |room| self.join_timeline.group_before(room, time);
        let picked_up = |leg: LegIdx| {
            let last = self.legs[leg].ended_by.map(|at| &self.changes[at].event.status);
            last.is_some_and(|status| status.reason == Some(Reason::Pickup))
        };
        let ringing = |leg: LegIdx| {
            let state = self.legs[leg].state_before(time);
            matches!(state, Some(LegState::Setup | LegState::Ringing)) && self.legs[leg].is_inbound()
        };
        let in_room =
            |&leg: &LegIdx| group(self.legs[leg].room) == group(link.b.room) && link.a.leg != Some(leg);
        let legs = || self.legs.indices().filter(in_room);
        let named = link.b.leg.filter(|&leg| ringing(leg) || picked_up(leg));
        named.or_else(|| legs().find(|&leg| ringing(leg))).or_else(|| legs().find(|&leg| picked_up(leg)))
    }

    /// Who transferred and to whom: the owner of the `Gone` legs, and the participant who is connected or ringing in
    /// the consultation.
    fn transfer(&self, link: &Link) -> (Option<ParticipantIdx>, Option<ParticipantIdx>) {
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
    fn consultation(&self, link: &Link) -> SessionIdx {
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
    fn consulted(
        &self,
        room: SessionIdx,
        time: Time,
        mover: Option<ParticipantIdx>,
    ) -> Option<ParticipantIdx> {
        let group = |room| self.join_timeline.group_before(room, time);
        let joined = |other: SessionIdx| group(other) == group(room);
        // A participant who moved on from the consultation into a bridge is still the one consulted.
        let called = |&person: &ParticipantIdx| {
            let mut legs = self.rooms[room].legs.clone().map(|leg| &self.legs[leg]);
            legs.any(|leg| leg.person == Some(person) && leg.start < time)
        };
        let went_on = || self.in_room(room, time, mover).into_iter().find(called);
        let nearest = self.present_in(time, mover, |other| other == room);
        let nearest = nearest.or_else(went_on).or_else(|| self.present_in(time, mover, joined));
        let called = || {
            let callee = self.inferred_parties.iter().find(|side| side.room == room && !side.is_caller);
            callee.map(|side| side.person).filter(|callee| Some(*callee) != mover)
        };
        nearest.or_else(|| self.arriving_in(room, time, mover)).or_else(called)
    }

    /// The participant who arrives in a room, or whose mailbox answered there, when the room is empty.
    fn arriving_in(
        &self,
        room: SessionIdx,
        time: Time,
        mover: Option<ParticipantIdx>,
    ) -> Option<ParticipantIdx> {
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
    fn present_in(
        &self,
        time: Time,
        mover: Option<ParticipantIdx>,
        here: impl Fn(SessionIdx) -> bool,
    ) -> Option<ParticipantIdx> {
        let mut connected = None;
        let mut queue = None;
        let mut ringing = None;
        for (index, leg) in self.legs.iter_enumerated().filter(|(_, leg)| here(leg.room)) {
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
        let inferred =
            self.inferred_parties.iter().filter(|side| here(side.room) && side.is_present_before(time));
        let mut inferred = inferred.map(|side| side.person).filter(|person| Some(*person) != mover);
        connected.or_else(|| inferred.next()).or(queue).or(ringing)
    }

    /// The people who are in a room that is being joined to a bridge, and in the rooms joined with it.
    fn in_room(&self, room: SessionIdx, time: Time, host: Option<ParticipantIdx>) -> Vec<ParticipantIdx> {
        let group = |room| self.join_timeline.group_before(room, time);
        let here = |other: SessionIdx| group(other) == group(room);
        let mut people: Vec<ParticipantIdx> = Vec::new();
        for (index, leg) in self.legs.iter_enumerated().filter(|(_, leg)| here(leg.room)) {
            let originates = self.rooms[leg.room].originator == Some(index);
            let present = match leg.state_before(time) {
                Some(LegState::Connected | LegState::Holding | LegState::Parked) => true,
                Some(LegState::Setup | LegState::Ringing) => originates,
                _ => false,
            };
            people.extend(leg.person.filter(|_| present && leg.talks_at(time)));
        }
        let inferred =
            self.inferred_parties.iter().filter(|side| here(side.room) && side.is_present_before(time));
        people.extend(inferred.map(|side| side.person));
        people.retain(|person| Some(*person) != host);
        people.sort_unstable();
        people.dedup();
        match people.is_empty() {
            // No one has answered yet: the one who rings is brought in.
            true => {
                let ringing = self.present_in(time, host, here);
                ringing.or_else(|| self.arriving_in(room, time, host)).into_iter().collect()
            }
            false => people,
        }
    }

    /// Keeps one of several reports of the same move.
    fn merge_repeated(&self, moves: &mut Vec<DetectedMove>) {
        moves.sort_by_key(|detected| detected.time);
        let mut merged: Vec<DetectedMove> = Vec::with_capacity(moves.len());
        for detected in moves.drain(..) {
            let same = merged.iter_mut().rev().find(|known| self.is_same_move(known, &detected));
            match same {
                Some(known) => known.proof.extend(detected.proof),
                None => merged.push(detected),
            }
        }
        *moves = merged;
    }

    /// Whether two reports are one move: a park reported twice or by both its legs, a pickup reported by every leg
    /// that stopped ringing.
    fn is_same_move(&self, known: &DetectedMove, detected: &DetectedMove) -> bool {
        if known.kind != detected.kind {
            return false;
        }
        let leg = |detected: &DetectedMove| self.leg_of_change(detected.proof[0]);
        let (a, b) = (&self.legs[leg(known)], &self.legs[leg(detected)]);
        match detected.kind {
            MoveKind::Park => {
                let parked = if a.codes.has(Code::Parked) { a } else { b };
                let apart = |span: &super::legs::Span| {
                    let was_back = matches!(span.state, LegState::Connected | LegState::Holding);
                    was_back && known.time < span.start && span.start <= detected.time
                };
                a.room == b.room && !parked.spans.iter().any(apart)
            }
            MoveKind::Pickup => {
                known.target == detected.target && a.room == b.room && leg(known) != leg(detected)
            }
            _ => false,
        }
    }
}
