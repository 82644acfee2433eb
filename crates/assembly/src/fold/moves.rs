//! The moves by which a call passed from one participant to another.

use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind, MoveKind},
};

use super::{
    ids::{ChangeIdx, LegIdx, ParticipantIdx, SessionIdx},
    links::{End, Link},
    presence::ConnectedCall,
    spans::{Span, is_parked},
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

impl ConnectedCall<'_> {
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
        let owner = self.owners[leg];
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
            Reason::CallFlip => {
                (MoveKind::Flip, owner, self.flipped_to(leg, at).and_then(|flipped| self.owners[flipped]))
            }
            Reason::CallPark | Reason::ParkLocation => (MoveKind::Park, owner, None),
            Reason::Pickup if !self.is_taken_by_link(leg, at) => {
                let taker = self.taker(leg, at).and_then(|taker| self.owners[taker]);
                let was_parked = self.states[leg].before(self.changes[at].time) == Some(LegState::Parked);
                let kind = match was_parked {
                    true => MoveKind::Retrieve,
                    false if taker == owner => MoveKind::Switch,
                    false => MoveKind::Pickup,
                };
                (kind, taker, taker)
            }
            Reason::TakeOver => {
                let monitor =
                    self.latest_monitor(&self.join_timeline, self.legs[leg].room, self.changes[at].time);
                let taker = monitor.and_then(|monitor| self.owners[monitor]).or_else(|| self.took_over(leg));
                (MoveKind::TakeOver, taker, taker)
            }
            _ => return,
        };
        moves.push(DetectedMove { kind, time: self.changes[at].time, by, target, proof: vec![at] });
    }

    /// The participant that a call went to with a leg: its owner, or the queue that offers it.
    fn destination(&self, leg: LegIdx) -> Option<ParticipantIdx> {
        self.offering_queue(leg).or(self.owners[leg])
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
        self.owners[link.a.leg?]
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
        let with_them = |other: &LegIdx| {
            let talks = || self.talks_from(*other).is_some_and(|from| from <= time);
            self.owners[*other] != self.owners[leg]
                && (self.kinds[*other] == Kind::User || talks())
                && self.legs[*other].start <= time
                && group(self.legs[*other].room) == group(parked.room)
        };
        let last = self.legs.indices().filter(with_them).filter_map(|other| {
            let active = |span: &&Span| {
                matches!(span.state, LegState::Connected | LegState::Holding) && span.start <= time
            };
            let span = self.states[other].spans.iter().rfind(active)?;
            let until = span.end.map_or(time, |end| end.min(time));
            // A leg in the parked leg's own session is nearest to it.
            Some((until, self.legs[other].room == parked.room, span.start, self.owners[other]?))
        });
        // If the far side was not observed, it may have parked the call.
        let is_one_sided = self.inferred_parties.iter().any(|party| party.room == parked.room);
        let own = || self.owners[leg].filter(|_| self.kinds[leg] == Kind::User && !is_one_sided);
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
                let taker = link.a.leg.and_then(|leg| self.owners[leg]);
                if self.has_parked(link.b.room, link.start) {
                    moves.push(new_move(MoveKind::Retrieve, taker, taker));
                } else if let Some(ringing) = self.taken_from(link) {
                    let same_user = self.owners[ringing] == taker;
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
        let is_then = |span: &Span| is_parked(span) && span.start <= time && span.end.is_none_or(until);
        let parked = |leg: LegIdx| self.states[leg].spans.iter().any(is_then);
        self.legs.iter_enumerated().any(|(index, leg)| group(leg.room) == group(room) && parked(index))
    }

    /// The ringing leg of a room that was picked up.
    fn taken_from(&self, link: &Link) -> Option<LegIdx> {
        let time = link.start;
        let group = |room| self.join_timeline.group_before(room, time);
        let picked_up = |leg: LegIdx| {
            let last = self.states[leg].ended_by.map(|at| &self.changes[at].event.status);
            last.is_some_and(|status| status.reason == Some(Reason::Pickup))
        };
        let ringing = |leg: LegIdx| {
            let state = self.states[leg].before(time);
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
            let mut legs = self.rooms[room].legs.clone();
            legs.any(|leg| self.owners[leg] == Some(person) && self.legs[leg].start < time)
        };
        let went_on = || self.in_room(room, time, mover).into_iter().find(called);
        let nearest = self.present_in(time, mover, |other| other == room);
        let nearest = nearest.or_else(went_on).or_else(|| self.present_in(time, mover, joined));
        let called = || {
            let callee = self.inferred_parties.iter().find(|party| party.room == room && !party.is_caller);
            callee.map(|party| party.person).filter(|callee| Some(*callee) != mover)
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
            self.owners[leg] != mover
                && match self.states[leg].before(time).or_else(|| self.states[leg].at(time)) {
                    Some(LegState::Voicemail) => true,
                    None => self.legs[leg].start > time && self.kinds[leg].is_person(),
                    Some(_) => false,
                }
        });
        legs.find_map(|leg| self.owners[leg])
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
            let Some(person) = self.owners[index].filter(|person| Some(*person) != mover) else { continue };
            let originates = self.rooms[leg.room].originator == Some(index);
            let place = match self.states[index].before(time).or_else(|| self.states[index].at(time)) {
                Some(LegState::Connected | LegState::Holding | LegState::Parked)
                    if self.talks_at(index, time) =>
                {
                    &mut connected
                }
                Some(_) if originates && self.talks_at(index, time) => &mut connected,
                Some(LegState::Setup | LegState::Ringing) => {
                    match (self.kinds[index], self.offering_queue(index)) {
                        (Kind::Queue, _) => &mut queue,
                        (_, Some(offering)) => {
                            queue.get_or_insert(offering);
                            continue;
                        }
                        (Kind::Supervisor | Kind::Proxy, None) => continue,
                        (_, None) => &mut ringing,
                    }
                }
                _ => continue,
            };
            place.get_or_insert(person);
        }
        let inferred =
            self.inferred_presences.iter().filter(|at| here(at.party.room) && at.is_present_before(time));
        let mut inferred = inferred.map(|at| at.party.person).filter(|person| Some(*person) != mover);
        connected.or_else(|| inferred.next()).or(queue).or(ringing)
    }

    /// The people who are in a room that is being joined to a bridge, and in the rooms joined with it.
    fn in_room(&self, room: SessionIdx, time: Time, host: Option<ParticipantIdx>) -> Vec<ParticipantIdx> {
        let group = |room| self.join_timeline.group_before(room, time);
        let here = |other: SessionIdx| group(other) == group(room);
        let mut people: Vec<ParticipantIdx> = Vec::new();
        for (index, leg) in self.legs.iter_enumerated().filter(|(_, leg)| here(leg.room)) {
            let originates = self.rooms[leg.room].originator == Some(index);
            let present = match self.states[index].before(time) {
                Some(LegState::Connected | LegState::Holding | LegState::Parked) => true,
                Some(LegState::Setup | LegState::Ringing) => originates,
                _ => false,
            };
            people.extend(self.owners[index].filter(|_| present && self.talks_at(index, time)));
        }
        let inferred =
            self.inferred_presences.iter().filter(|at| here(at.party.room) && at.is_present_before(time));
        people.extend(inferred.map(|at| at.party.person));
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
        let (known_leg, leg) = (leg(known), leg(detected));
        let is_in_one_room = self.legs[known_leg].room == self.legs[leg].room;
        match detected.kind {
            MoveKind::Park => {
                let parked = if self.legs[known_leg].codes.has(Code::Parked) { known_leg } else { leg };
                let apart = |span: &Span| {
                    let was_back = matches!(span.state, LegState::Connected | LegState::Holding);
                    was_back && known.time < span.start && span.start <= detected.time
                };
                is_in_one_room && !self.states[parked].spans.iter().any(apart)
            }
            MoveKind::Pickup => known.target == detected.target && is_in_one_room && known_leg != leg,
            _ => false,
        }
    }
}
