//! Builds the record from the results of the stages, in the terms of `docs/contract.md` §5.

use wholecall_notification::Code;
use wholecall_record::ShortText;
use wholecall_record::{
    Call, LegId, ParticipantId, Time,
    call::{
        Conversation, Durations, Kind, LegDirection, LegState, Link, LinkEnd, Move, MoveKind, QueueOutcome,
        QueueVisit, Recording, SCHEMA, Segment, Session, Side, State, View, names,
    },
};

use super::{
    caller::{Caller, Dialled},
    ids::{LegIdx, ParticipantIdx, SessionIdx},
    input::RecordStatus,
    links::{self, End},
    people::is_public_number,
    pipeline::Fold,
    queues::Visit,
    result::OutcomeInput,
    spans::LegStates,
    stretches::{Counted, Stretches, of_kind},
};
use crate::{directory::Directory, index::IdxVec, numbers::number_without_code};

impl Fold<'_> {
    /// The record of the call.
    pub(crate) fn record(&self, status: RecordStatus) -> Call {
        let caller = self.caller();
        let dialled = self.dialled();
        let direction = self.direction();
        let stretches: IdxVec<LegIdx, Stretches> =
            self.legs.indices().map(|leg| self.stretches(leg)).collect();
        let state = status.state;
        let conversations = self.conversation_records(state);
        let (start, end) = self.span(state, &conversations);
        let answer = self.answer(state, &caller).map(|conversation| conversation.start);
        let customer = self.customer(&caller, &dialled);
        let served = customer.or(caller.person);
        let ids =
            |people: &[ParticipantIdx]| people.iter().map(|&person| self.people[person].id.clone()).collect();
        let moves: Vec<Move> = (0..self.moves.len()).map(|at| self.move_record(at, state)).collect();
        let input = OutcomeInput { state, caller: &caller, dialled: &dialled, direction };
        let mut call = Call {
            schema: ShortText::const_new(SCHEMA),
            id: self.id().clone(),
            account_id: self.input.account.cloned(),
            version: status.version,
            updated_at: status.updated_at,
            directory_version: self.input.directory.and_then(Directory::version),
            state,
            direction,
            view: if self.is_seen_by_the_account() { View::Account } else { View::Extension },
            result: self.outcome(&input),
            from: self.from(&caller),
            to: self.to(&dialled),
            answered_by: self.person_id(self.answered_by(state, &caller)),
            last_with: ids(&self.last_with(state, &caller)),
            customer: self.person_id(customer),
            users: ids(&self.users(state)),
            end_state: self.end_state(state, served),
            activity: self.activity(state, served),
            start_time: start,
            answer_time: answer,
            end_time: end,
            durations: self.durations(start, answer, end, &stretches),
            participants: self.participants(&caller, &dialled, &stretches),
            legs: self.legs.indices().map(|leg| self.leg(leg, &caller, &stretches[leg])).collect(),
            links: self.links.iter().map(|link| self.link_record(link)).collect(),
            transfer: self.last_transfer(served).map(|at| moves[at].clone()),
            moves,
            missed_by: ids(&self.missed_by(&caller)),
            conversations,
            queues: self.visits.iter().map(|visit| self.visit_record(visit)).collect(),
            monitors: self.monitors(),
            recordings: self.recordings(),
            sessions: self.sessions(),
            related: self.input.related.clone(),
            completeness: self.completeness(status),
        };
        self.respect_bounds(&mut call);
        call
    }

    /// From its first event to its end. Since clocks differ, a conversation may begin or end outside of that.
    fn span(&self, state: State, conversations: &[Conversation]) -> (Time, Option<Time>) {
        let first_conversation = conversations.first().map(|conversation| conversation.start_time);
        let last_conversation_end =
            conversations.iter().filter_map(|conversation| conversation.end_time).max();
        let start = first_conversation.map_or(self.start(), |first| first.min(self.start()));
        // By another server's clock a call may end before it begins.
        let root_start = self.rooms[self.root].start.map_or(start, |root_start| root_start.max(start));
        (
            start,
            self.end(state).map(|end| Some(end).max(last_conversation_end).unwrap_or(end).max(root_start)),
        )
    }

    /// The first event of any session, if possible not of a supervisor's.
    fn start(&self) -> Time {
        let seen = self.rooms.iter().filter_map(|room| Some((room.is_supervising, room.start?)));
        seen.min().map_or(self.last_event, |(_, start)| start)
    }

    /// The end of the last leg, if possible not a supervisor's. A leg of a closed call without an end ends with the
    /// call's last event.
    fn end(&self, state: State) -> Option<Time> {
        if state == State::Live {
            return None;
        }
        let talks = |leg: &LegIdx| {
            !matches!(self.kinds[*leg], Kind::Proxy | Kind::Supervisor) || self.talks_from(*leg).is_some()
        };
        let ends = |of: &dyn Fn(&LegIdx) -> bool| {
            let ends = self.legs.indices().filter(of).map(|leg| self.states[leg].end);
            ends.map(|end| end.unwrap_or(self.last_event)).max()
        };
        ends(&talks).or_else(|| ends(&|leg| self.kinds[*leg] != Kind::Proxy)).or(Some(self.last_event))
    }

    fn from(&self, caller: &Caller<'_>) -> Side {
        let person = caller.person.map(|person| &self.people[person]);
        let shown = caller.side.and_then(|side| side.identifying_number());
        let extension = caller.id.as_ref().and_then(|id| id.extension_id());
        let is_public = |number: &&str| extension.is_none() || is_public_number(number);
        let number = shown.filter(is_public).map(ShortText::from);
        let name = match person {
            Some(person) => person.name.clone(),
            None => caller.side.and_then(|side| side.name).map(ShortText::from),
        };
        self.side(Side {
            phone_number: number.or_else(|| person?.number.clone()),
            name,
            extension_id: extension.map(ShortText::from),
            extension_number: person.and_then(|person| person.extension_number.clone()),
            participant: person.map(|person| person.id.clone()),
            display_name: ShortText::default(),
        })
    }

    fn to(&self, dialled: &Dialled<'_>) -> Side {
        let person = dialled.person.map(|person| &self.people[person]);
        // It is not known to whom a call was addressed that was not observed from its start.
        let named = dialled.side.name.filter(|_| self.is_seen_from_its_start());
        self.side(Side {
            participant: person.map(|person| person.id.clone()),
            phone_number: dialled.number.map(number_without_code),
            extension_number: person.and_then(|person| person.extension_number.clone()),
            name: match person {
                Some(person) => person.name.clone(),
                None => named.map(ShortText::from),
            },
            extension_id: person.and_then(|person| person.extension.clone()),
            display_name: ShortText::default(),
        })
    }

    fn side(&self, side: Side) -> Side {
        let number = side.phone_number.as_deref();
        let extension = side.extension_number.as_deref().or(side.extension_id.as_deref());
        let display_name = names::display_name(side.name.as_deref(), number, extension);
        Side { display_name: ShortText::from(display_name), ..side }
    }

    fn durations(
        &self,
        start: Time,
        answer: Option<Time>,
        end: Option<Time>,
        stretches: &IdxVec<LegIdx, Stretches>,
    ) -> Durations {
        let end = end.unwrap_or(self.last_event);
        let spans = |state: LegState| {
            let legs = self.legs.indices().filter(|&leg| self.kinds[leg] != Kind::Proxy);
            let spans = legs.flat_map(|leg| &self.states[leg].spans);
            spans.filter(move |span| span.state == state).map(|span| (span.start, span.end))
        };
        Durations {
            total_ms: end - start,
            // Since clocks differ, the answer may be earlier than the root's start.
            wait_ms: (answer.unwrap_or(end) - self.rooms[self.root].start.unwrap_or(start)).max(0),
            talk_ms: self
                .union(self.conversations.iter().map(|conversation| (conversation.start, conversation.end))),
            hold_ms: self.union(stretches.iter().flat_map(|leg| of_kind(leg, Counted::Hold))),
            parked_ms: self.union(spans(LegState::Parked)),
            voicemail_ms: self.union(spans(LegState::Voicemail)),
        }
    }

    pub(super) fn leg_id(&self, leg: LegIdx) -> LegId {
        let leg = &self.legs[leg];
        LegId { session: self.rooms[leg.room].session.id.clone(), party: leg.party.clone() }
    }

    pub(super) fn person_id(&self, person: Option<ParticipantIdx>) -> Option<ParticipantId> {
        person.map(|person| self.people[person].id.clone())
    }

    fn leg(&self, index: LegIdx, caller: &Caller<'_>, stretches: &Stretches) -> wholecall_record::call::Leg {
        let leg = &self.legs[index];
        let own = if leg.is_inbound() { &leg.description.to } else { &leg.description.from };
        let first =
            |code| self.changes_of(index).iter().find(|change| change.event.status.code == Some(code));
        let length = |kind: Counted| {
            let lengths = of_kind(stretches, kind);
            lengths.map(|(start, end)| end.unwrap_or(self.last_event).max(start) - start).sum()
        };
        wholecall_record::call::Leg {
            id: self.leg_id(index),
            telephony_session_id: self.rooms[leg.room].session.id.clone(),
            party_id: leg.party.clone(),
            participant: self.person_id(self.owners[index]),
            kind: self.kinds[index],
            direction: if leg.is_inbound() { LegDirection::Inbound } else { LegDirection::Outbound },
            from: leg.description.from.as_endpoint(),
            to: leg.description.to.as_endpoint(),
            start_time: leg.is_start_known.then_some(leg.start),
            ring_time: first(Code::Proceeding).map(|change| change.time),
            answer_time: first(Code::Answered).map(|change| change.time),
            end_time: self.states[index].end,
            end_reason: self.end_reason_word(index),
            outcome: self.leg_outcome(index, caller.person),
            ring_ms: length(Counted::Ring),
            talk_ms: length(Counted::Talk),
            hold_ms: length(Counted::Hold),
            segments: self.states[index]
                .spans
                .iter()
                .map(|span| Segment { state: span.state, start_time: span.start, end_time: span.end })
                .collect(),
            queue: self.person_id(self.offering_queue(index)),
            device_id: own.device.map(ShortText::from),
        }
    }

    /// The word that a leg ended with; if only the other end of the link it left by has one, that.
    fn end_reason_word(&self, index: LegIdx) -> Option<ShortText> {
        let LegStates { end, ended_by, .. } = self.states[index];
        let end = end?;
        let own = ended_by.and_then(|at| self.changes[at].event.status.reason_word());
        let left_by = |link: &&links::Link| {
            link.removes_both_legs()
                && link.start == end
                && link.ends().iter().any(|side| side.leg == Some(index))
        };
        own.map(ShortText::from).or_else(|| self.links.iter().find(left_by)?.reason.clone())
    }

    fn link_record(&self, link: &links::Link) -> Link {
        let end = |end: &End| LinkEnd {
            telephony_session_id: self.rooms[end.room].session.id.clone(),
            party_id: end.party.clone(),
        };
        Link {
            kind: link.kind,
            reason: link.reason.clone(),
            start_time: link.start,
            end_time: link.end,
            a: end(&link.a),
            b: end(&link.b),
            evidence: self.evidence(&link.proof),
        }
    }

    fn move_record(&self, at: usize, state: State) -> Move {
        let detected = &self.moves[at];
        Move {
            kind: detected.kind,
            time: detected.time,
            by: self.person_id(detected.by),
            target: self.person_id(detected.target),
            answered: self.is_answered(at, state),
            evidence: self.evidence(&detected.proof),
        }
    }

    /// Whether the target of a move was in a conversation after it and before the next one; for a queue, whether the
    /// call was answered out of it. `None` if what followed the move was not observed.
    fn is_answered(&self, at: usize, state: State) -> Option<bool> {
        let detected = &self.moves[at];
        let next = self.moves[at + 1..].iter().map(|later| later.time).find(|time| *time > detected.time);
        let Some(target) = detected.target else { return (detected.kind == MoveKind::Park).then_some(false) };
        let in_time = |start: Time, end: Option<Time>| {
            end.is_none_or(|end| end > detected.time) && next.is_none_or(|next| start < next)
        };
        let talked = self.conversations(state).any(|(conversation, end)| {
            in_time(conversation.start, end)
                && conversation
                    .people
                    .iter()
                    .any(|&person| self.on_behalf.user_behind(person) == target || person == target)
        });
        let mut visited = self.visits.iter().filter(|visit| {
            visit.queue == target && in_time(visit.enter, visit.leave.map(|leave| leave + 1))
        });
        let visit = visited.next();
        let by_queue = visit.is_some_and(|visit| visit.outcome == Some(QueueOutcome::Answered))
            || visited.any(|visit| visit.outcome == Some(QueueOutcome::Answered));
        let is_seen = (!self.people[target].legs.is_empty() || visit.is_some()) && !self.talks_unseen(target);
        match talked || by_queue {
            true => Some(true),
            false => is_seen.then_some(false),
        }
    }

    /// Whether a participant is in a session whose far side may have talked with them unobserved.
    fn talks_unseen(&self, person: ParticipantIdx) -> bool {
        let is_unobserved = |room: SessionIdx| {
            self.inferred_parties.iter().any(|party| party.room == room && !party.can_be_heard)
        };
        self.people[person].legs.iter().any(|&leg| is_unobserved(self.legs[leg].room))
    }

    fn conversation_records(&self, state: State) -> Vec<Conversation> {
        let conversations = self.conversations(state).map(|(conversation, end)| Conversation {
            start_time: conversation.start,
            end_time: end,
            participants: conversation.people.iter().map(|&person| self.people[person].id.clone()).collect(),
            inferred: conversation.inferred,
        });
        conversations.collect()
    }

    fn visit_record(&self, visit: &Visit) -> QueueVisit {
        let queue = &self.people[visit.queue];
        let shown =
            self.legs.iter_enumerated().filter(|(leg, _)| self.offering_queue(*leg) == Some(visit.queue));
        let names = || shown.clone().find_map(|(_, leg)| leg.description.queue_name.map(ShortText::from));
        QueueVisit {
            participant: queue.id.clone(),
            name: queue.name.clone().or_else(names),
            enter_time: visit.enter,
            leave_time: visit.leave,
            wait_ms: visit.leave.unwrap_or(self.last_event) - visit.enter,
            outcome: visit.outcome,
            offers: visit.offers,
            answered_by: self.person_id(visit.answered_by),
        }
    }

    fn recordings(&self) -> Vec<Recording> {
        let recordings = self.legs.iter().flat_map(|leg| {
            leg.recordings.iter().map(|id| Recording {
                id: id.clone(),
                telephony_session_id: self.rooms[leg.room].session.id.clone(),
                party_id: leg.party.clone(),
            })
        });
        recordings.collect()
    }

    fn sessions(&self) -> Vec<Session> {
        let sessions = self.rooms.iter().map(|room| {
            let legs = room.legs.clone().filter(|&leg| self.kinds[leg] != Kind::Proxy);
            let ends: Option<Vec<Time>> = legs.map(|leg| self.states[leg].end).collect();
            Session {
                telephony_session_id: room.session.id.clone(),
                session_id: room.session.legacy_id().cloned(),
                origin: room.session.origin_word().cloned(),
                start_time: room.start,
                end_time: ends.and_then(|ends| ends.into_iter().max()),
                seen: room.start.is_some(),
            }
        });
        sessions.collect()
    }
}
