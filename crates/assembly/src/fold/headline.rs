//! What readers of a call log look for first: who answered, who the customer is, in which state the customer was
//! left.

use wholecall_notification::Code;
use wholecall_record::{
    Time,
    call::{EndState, Kind, LegOutcome, LegState, MoveKind, State},
};

use super::{
    caller::{Caller, Dialled},
    ids::{ChangeIdx, LegIdx, ParticipantIdx, SessionIdx},
    pipeline::Fold,
    presence::{ConversationSpan, People},
};

/// Minimum length of a last conversation that takes precedence over a shorter one after it.
const MIN_CONVERSATION_MS: i64 = 1_000;

/// Minimum time of a conversation among others after a participant had left.
const MIN_CONTINUED_TALK_MS: i64 = 1_000;

impl Fold<'_> {
    /// The conversation in which the caller was first answered, in the root's session or one joined to it. A call
    /// that no person made (a queue's callback) is answered with its first conversation.
    pub(super) fn answer(&self, state: State, caller: &Caller<'_>) -> Option<&ConversationSpan> {
        let is_person = self.is_person(caller.person);
        let group = |room: SessionIdx, time: Time| self.join_timeline.group(room, time);
        let counts = |conversation: &&ConversationSpan| match caller.person.filter(|_| is_person) {
            Some(caller) => {
                conversation.people.contains(&caller)
                    && group(conversation.room, conversation.start) == group(self.root, conversation.start)
            }
            None => true,
        };
        self.conversations(state).map(|(conversation, _)| conversation).find(counts)
    }

    /// Who first talked with the caller; of several at once, the one who was connected last.
    pub(super) fn answered_by(&self, state: State, caller: &Caller<'_>) -> Option<ParticipantIdx> {
        let caller_person = caller.person.filter(|_| self.is_person(caller.person))?;
        let conversation = self.answer(state, caller)?;
        let others = conversation.people.iter().copied().filter(|&person| person != caller_person);
        // Of several at the same time, the first by id.
        others
            .max_by_key(|&person| (self.present_since(person, conversation.start), std::cmp::Reverse(person)))
    }

    /// When the current uninterrupted connection of a participant began, at a time at which they are connected.
    fn present_since(&self, person: ParticipantIdx, time: Time) -> Option<Time> {
        let legs = self.people[person].legs.iter().flat_map(|&leg| &self.states[leg].spans);
        let connected = legs.filter(|span| span.state == LegState::Connected && span.start <= time);
        let by_leg = connected.map(|span| span.start).max();
        by_leg.or(self.first_present[person])
    }

    /// The participants of the caller's last conversation of at least [`MIN_CONVERSATION_MS`], else of the last,
    /// without the caller.
    pub(super) fn last_with(&self, state: State, caller: &Caller<'_>) -> People {
        let Some(caller) = caller.person else { return People::new() };
        let conversations =
            || self.conversations(state).filter(|(conversation, _)| conversation.people.contains(&caller));
        let end = |end: Option<Time>| end.unwrap_or(self.last_event);
        let order =
            |(conversation, until): &(&ConversationSpan, Option<Time>)| (end(*until), conversation.start);
        let long = conversations()
            .filter(|(conversation, until)| end(*until) - conversation.start >= MIN_CONVERSATION_MS)
            .max_by_key(order);
        let Some((conversation, _)) = long.or_else(|| conversations().max_by_key(order)) else {
            return People::new();
        };
        conversation.people.iter().copied().filter(|&person| person != caller).collect()
    }

    /// The participant outside the account: the caller, else the first who was dialled or reached.
    pub(super) fn customer(&self, caller: &Caller<'_>, dialled: &Dialled<'_>) -> Option<ParticipantIdx> {
        let is_customer = |&index: &ParticipantIdx| {
            let person = &self.people[index];
            let is_ours = || {
                let directory = self.input.directory;
                directory
                    .zip(person.number.as_deref())
                    .is_some_and(|(directory, number)| directory.is_account_number(number))
            };
            person.kind == Kind::External && self.on_behalf.of(index).is_none() && !is_ours()
        };
        if let Some(caller) = caller.person.filter(|&caller| self.people[caller].kind == Kind::External) {
            return Some(caller).filter(is_customer);
        }
        let dialled = dialled.person.filter(is_customer);
        let outsiders = self.people.indices().filter(is_customer);
        let began = |&person: &ParticipantIdx| {
            let legs = self.people[person].legs.iter().map(|&leg| self.legs[leg].start);
            legs.chain(self.first_present[person]).min().map(|time| (time, person))
        };
        let first = || outsiders.filter_map(|person| began(&person)).min().map(|(_, person)| person);
        dialled.or_else(first)
    }

    /// The extensions that talked, in the order in which they were connected.
    pub(super) fn users(&self, state: State) -> Vec<ParticipantIdx> {
        let mut talkers: Vec<ParticipantIdx> = self
            .conversations(state)
            .flat_map(|(conversation, _)| conversation.people.iter().copied())
            .collect();
        talkers.sort_unstable();
        talkers.dedup();
        talkers.sort_by_key(|&person| (self.first_present[person], person));
        let mut users: Vec<ParticipantIdx> = Vec::with_capacity(talkers.len());
        for person in talkers {
            let user = self.on_behalf.user_behind(person);
            if self.people[user].extension.is_some() && !users.contains(&user) {
                users.push(user);
            }
        }
        users
    }

    /// People of the account whose leg rang and ended `Missed`, in the order in which they were rung.
    pub(super) fn missed_by(&self, caller: &Caller<'_>) -> Vec<ParticipantIdx> {
        let mut missed: Vec<(Time, ParticipantIdx)> = Vec::new();
        for (index, leg) in
            self.legs.iter_enumerated().filter(|(index, leg)| self.kinds[*index] == Kind::User && leg.rang())
        {
            if self.leg_outcome(index, caller.person) == Some(LegOutcome::Missed)
                && let Some(person) = self.owners[index]
                && !missed.iter().any(|(_, known)| *known == person)
            {
                missed.push((leg.start, person));
            }
        }
        missed.sort_unstable();
        missed.into_iter().map(|(_, person)| person).collect()
    }

    /// The last transfer or forward of a participant.
    pub(super) fn last_transfer(&self, moved: Option<ParticipantIdx>) -> Option<usize> {
        let moved = moved?;
        let transfers = |kind: MoveKind| {
            matches!(
                kind,
                MoveKind::AttendedTransfer | MoveKind::BlindTransfer | MoveKind::Transfer | MoveKind::Forward
            )
        };
        self.moves.iter().rposition(|detected| {
            let session = |at: &ChangeIdx| self.legs[self.leg_of_change(*at)].room;
            let is_there = || detected.proof.iter().any(|at| self.is_in(moved, session(at), detected.time));
            let is_other = detected.by != Some(moved) && detected.target != Some(moved);
            transfers(detected.kind) && is_other && is_there()
        })
    }

    /// Whether a participant has a leg at a time in a session or in one joined to it.
    fn is_in(&self, person: ParticipantIdx, room: SessionIdx, time: Time) -> bool {
        let here = |other: SessionIdx| {
            self.join_timeline.group(other, time) == self.join_timeline.group(room, time)
                || self.join_timeline.group_before(other, time) == self.join_timeline.group_before(room, time)
        };
        let by_leg = self.people[person].legs.iter().any(|&index| {
            let leg = &self.legs[index];
            here(leg.room) && leg.start <= time && self.states[index].end.is_none_or(|end| end >= time)
        });
        let inferred =
            || self.inferred_parties.iter().any(|party| party.person == person && here(party.room));
        by_leg || inferred()
    }

    /// What served a participant last before their own last leg ended.
    pub(super) fn end_state(&self, state: State, person: Option<ParticipantIdx>) -> Option<EndState> {
        if state == State::Live {
            return None;
        }
        let Some(person) = person else { return Some(EndState::Nothing) };
        let end = self.own_end(person);
        if end.is_some_and(|end| self.others_talked_on(state, person, end)) {
            return Some(EndState::Nothing);
        }
        let mut until = end.unwrap_or(LATEST);
        loop {
            if let Some(serving) = self.serving(person, until) {
                return Some(serving);
            }
            // Try the latest earlier time at which anything changed.
            match self.latest_change_before(until) {
                Some(earlier) => until = earlier,
                None => return Some(EndState::Nothing),
            }
        }
    }

    /// What a participant in a live call is doing now.
    pub(super) fn activity(&self, state: State, person: Option<ParticipantIdx>) -> Option<EndState> {
        if state != State::Live {
            return None;
        }
        let left = |person: ParticipantIdx| self.own_end(person).is_some();
        let serving = person.filter(|&person| !left(person)).and_then(|person| self.serving(person, LATEST));
        Some(serving.unwrap_or(EndState::Nothing))
    }

    /// When a participant's last leg ended. `None` while one is open. For one that was not observed, when they left,
    /// or when the last visible leg ended.
    fn own_end(&self, person: ParticipantIdx) -> Option<Time> {
        let legs = &self.people[person].legs;
        if !legs.is_empty() {
            let ends: Option<Vec<Time>> = legs.iter().map(|&leg| self.states[leg].end).collect();
            return ends?.into_iter().max();
        }
        let present =
            self.inferred_presences.iter().filter(|at| at.party.person == person).flat_map(|at| &at.present);
        let ends: Option<Vec<Time>> = present.map(|(_, end)| *end).collect();
        let seen = || {
            let ends: Option<Vec<Time>> = self.states.iter().map(|states| states.end).collect();
            ends?.into_iter().max()
        };
        ends?.into_iter().max().or_else(seen)
    }

    /// Whether others continued talking to each other after a participant had left.
    fn others_talked_on(&self, state: State, person: ParticipantIdx, left: Time) -> bool {
        self.conversations(state).any(|(conversation, end)| {
            let end = end.unwrap_or(self.last_event);
            !conversation.people.contains(&person)
                && end - left.max(conversation.start) >= MIN_CONTINUED_TALK_MS
        })
    }

    fn latest_change_before(&self, time: Time) -> Option<Time> {
        let spans = self.states.iter().flat_map(|states| &states.spans);
        let spans = spans.flat_map(|span| [Some(span.start), span.end]);
        let conversations =
            self.conversations.iter().flat_map(|conversation| [Some(conversation.start), conversation.end]);
        spans.chain(conversations).flatten().filter(|known| *known < time).max()
    }

    /// What serves a participant just before a time; of several at once the first in the order of [`EndState`].
    fn serving(&self, person: ParticipantIdx, time: Time) -> Option<EndState> {
        let is_in = |conversation: &ConversationSpan| {
            conversation.people.contains(&person)
                && conversation.start < time
                && conversation.end.is_none_or(|end| time <= end)
        };
        if self.conversations.iter().any(is_in) {
            return Some(EndState::Talking);
        }
        if let Some(ringing) = self.only_rings(person, time) {
            return ringing.then_some(EndState::Ringing);
        }
        let places = self.places_of(person, time);
        let is_near = |room: SessionIdx| places.contains(&self.join_timeline.group_before(room, time));
        let near = self
            .legs
            .iter_enumerated()
            .filter(|(index, leg)| is_near(leg.room) && (!leg.supervises || self.talks_at(*index, time)));
        near.filter_map(|(index, _)| self.serves(index, self.states[index].before(time)?, person, time)).min()
    }

    /// Whether the phone of a called participant who is not connected yet rings. `None` for any other participant.
    fn only_rings(&self, person: ParticipantIdx, time: Time) -> Option<bool> {
        let legs =
            self.people[person].legs.iter().filter_map(|&leg| Some((leg, self.states[leg].before(time)?)));
        let mut rings = None;
        for (leg, state) in legs {
            let waits = self.legs[leg].is_inbound() && matches!(state, LegState::Setup | LegState::Ringing);
            if !waits {
                return None;
            }
            rings = Some(rings == Some(true) || state == LegState::Ringing);
        }
        rings
    }

    /// The groups of joined rooms that a participant is in just before a time.
    fn places_of(&self, person: ParticipantIdx, time: Time) -> Vec<SessionIdx> {
        let legs = self.people[person].legs.iter().filter(|&&leg| self.states[leg].before(time).is_some());
        let rooms = legs.map(|&leg| self.legs[leg].room);
        let inferred =
            self.inferred_parties.iter().filter(|side| side.person == person).map(|side| side.room);
        rooms.chain(inferred).map(|room| self.join_timeline.group_before(room, time)).collect()
    }

    /// What a leg in a state does for a participant in its session.
    fn serves(&self, index: LegIdx, state: LegState, person: ParticipantIdx, time: Time) -> Option<EndState> {
        let leg = &self.legs[index];
        let is_own = self.owners[index] == Some(person);
        let originates = self.rooms[leg.room].originator == Some(index);
        match (state, self.kinds[index]) {
            (LegState::Parked, _) => Some(EndState::Parked),
            (LegState::Voicemail, _) => Some(EndState::Voicemail),
            (LegState::Holding, _) => Some(EndState::OnHold),
            (LegState::Gone | LegState::Fax, _) => None,
            (_, Kind::Queue) if leg.is_inbound() => Some(EndState::Queued),
            (_, Kind::Menu | Kind::Router | Kind::Machine) if leg.is_inbound() => Some(EndState::Menu),
            (LegState::Ringing, _) if originates => {
                Some(EndState::Ringing).filter(|_| is_own && self.is_alone(index))
            }
            (LegState::Ringing, _) if self.has_stopped_ringing(index, time) => None,
            (LegState::Ringing, _) if self.offering_queue(index).is_some() => Some(EndState::Queued),
            (LegState::Ringing, _) => Some(EndState::Ringing),
            _ => None,
        }
    }

    /// Whether a leg is the only observed one of its session.
    fn is_alone(&self, index: LegIdx) -> bool {
        self.rooms[self.legs[index].room].legs.len() == 1
    }

    /// A phone that rang when another leg of its session was answered has stopped ringing.
    fn has_stopped_ringing(&self, index: LegIdx, time: Time) -> bool {
        let leg = &self.legs[index];
        let answered = |other: LegIdx| {
            self.changes_of(other).iter().any(|change| {
                change.event.status.code == Some(Code::Answered)
                    && leg.start <= change.time
                    && change.time < time
            })
        };
        let room = &self.rooms[leg.room];
        let mut others = room.legs.clone().filter(|&other| {
            other != index && room.originator != Some(other) && self.kinds[other].is_person()
        });
        others.any(answered)
    }
}

/// The latest time.
const LATEST: Time = Time::from_millis(i64::MAX);
