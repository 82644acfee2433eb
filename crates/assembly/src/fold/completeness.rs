//! What of a call was not observed, and which notifications prove the record's statements.

use wholecall_notification::Code;
use wholecall_record::ShortText;
use wholecall_record::{
    SessionId,
    call::{Completeness, Evidence, ExceededLimit, Gap, State, UnlinkedGone},
};

use super::{ids::ChangeIdx, input::RecordStatus, legs::Change, pipeline::Fold};
use crate::{event::Event, limits, uuid::Uuid};

impl Fold<'_> {
    pub(super) fn completeness(&self, status: RecordStatus) -> Completeness {
        let seen = || self.rooms.iter().filter(|room| room.start.is_some());
        let mut missing_sequences = Vec::new();
        for room in seen() {
            // 1 is never delivered.
            let mut last = 1;
            for event in room.session.events() {
                if event.sequence > last + 1 {
                    missing_sequences.push(Gap {
                        telephony_session_id: room.session.id.clone(),
                        from: last + 1,
                        to: event.sequence - 1,
                    });
                }
                last = last.max(event.sequence);
            }
        }
        let unlinked = self.legs.iter().flat_map(|leg| {
            let changes = &self.changes[&leg.changes];
            let is_gone = |change: &&Change<'_>| change.event.status.code == Some(Code::Gone);
            let gone = changes.iter().filter(is_gone).filter(move |change| {
                let is_filled =
                    |other: &Change<'_>| other.time == change.time && other.event.status.peer().is_some();
                change.event.status.peer().is_none() && !changes.iter().any(is_filled)
            });
            gone.map(|change| UnlinkedGone {
                telephony_session_id: self.rooms[leg.room].session.id.clone(),
                party_id: leg.party.clone(),
                sequence: change.event.sequence,
            })
        });
        let unseen = self.rooms.iter().filter(|room| room.start.is_none());
        let mut beyond_limits: Vec<ExceededLimit> = seen()
            .filter(|room| room.session.beyond_limit() > 0)
            .map(|room| ExceededLimit {
                what: ShortText::const_new("notifications"),
                telephony_session_id: Some(room.session.id.clone()),
                limit: limits::MAX_NOTIFICATIONS_PER_SESSION as u64,
                beyond: room.session.beyond_limit(),
            })
            .collect();
        if self.conversations_beyond_limit > 0 {
            beyond_limits.push(ExceededLimit {
                what: ShortText::const_new("conversations"),
                telephony_session_id: None,
                limit: self.conversations.len() as u64,
                beyond: self.conversations_beyond_limit,
            });
        }
        if self.input.refused > 0 {
            beyond_limits.push(ExceededLimit {
                what: ShortText::const_new("sessions"),
                telephony_session_id: None,
                limit: limits::MAX_SESSIONS_PER_CALL as u64,
                beyond: self.input.refused,
            });
        }
        let unseen_sessions: Vec<SessionId> = unseen.map(|room| room.session.id.clone()).collect();
        let unlinked_gone: Vec<UnlinkedGone> = unlinked.collect();
        let is_all_seen = missing_sequences.is_empty()
            && unseen_sessions.is_empty()
            && unlinked_gone.is_empty()
            && beyond_limits.is_empty()
            && status.late_for.is_none();
        Completeness {
            complete: is_all_seen && status.state == State::Complete,
            missing_sequences,
            unseen_sessions,
            unlinked_gone,
            reason: status.reason,
            late_for: status.late_for,
            beyond_limits,
            repaired: self.repaired(),
        }
    }

    pub(super) fn evidence(&self, proof: &[ChangeIdx]) -> Vec<Evidence> {
        let mut proof = proof.to_vec();
        proof.sort_by(|x, y| self.order_of_changes(*x, *y));
        proof.dedup();
        let evidence = proof.into_iter().map(|at| {
            let event = self.changes[at].event;
            let room = self.legs[self.leg_of_change(at)].room;
            evidence_of(self.rooms[room].session, event)
        });
        evidence.collect()
    }
}

pub(super) fn evidence_of(session: &crate::session::Session, event: &Event) -> Evidence {
    Evidence {
        telephony_session_id: session.id.clone(),
        sequence: event.notified_sequence(),
        kind: event.kind,
        uuid: event.uuid.as_ref().map(Uuid::text),
    }
}
