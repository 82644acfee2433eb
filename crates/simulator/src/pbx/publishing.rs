//! What RingCentral posts when a leg changes.
//!
//! Sequences start at 2 and increase by one with each notification of a session. A notification is sent 14 to
//! 113 ms after its change (dibyenduroy/csn-data) and arrives a little later.

use crate::{
    id::{ParticipantRef, PartyId},
    notification::{Body, Code, Contact, Notification, Origin, Party, Peer, Role, Status},
};

use super::{Leg, LegId, Pbx, Session, State};

impl Pbx<'_> {
    /// Opens a session.
    pub(super) fn open_session(&mut self, account: usize, origin: Origin, number: &str) -> usize {
        let (id, legacy) = self.world.session_ids(self.now, origin == Origin::Conference, &mut self.rng);
        let mixer = self.audio.mixer();
        self.sessions.push(Session {
            id,
            legacy,
            account,
            origin,
            server: self.rng.u16(..),
            sequence: 1,
            mixer,
            parties: 0,
            originator: None,
            number: number.into(),
        });
        self.sessions.len() - 1
    }

    /// Adds a leg to a session.
    pub(super) fn new_leg(
        &mut self,
        session: usize,
        who: Option<ParticipantRef>,
        outbound: bool,
        from: Option<Contact>,
        to: Contact,
    ) -> LegId {
        self.sessions[session].parties += 1;
        self.legs.push(Leg {
            session,
            ordinal: self.sessions[session].parties,
            who,
            outbound,
            from,
            to,
            state: State::New,
            missed: false,
            queue: None,
            recording: None,
            parked_at: None,
            role: Role::Plain,
            supervises: false,
            is_published: true,
            service: None,
            visit: None,
            awaits_retrieval: false,
            listens_to: None,
        });
        self.legs.len() - 1
    }

    pub(super) fn publish(&mut self, leg: LegId, code: Code) {
        self.publish_status(leg, Status { code, reason: None, peer: None, mobile_pickup: false });
    }

    pub(crate) fn publish_with_reason(
        &mut self,
        leg: LegId,
        code: Code,
        reason: impl Into<Option<&'static str>>,
    ) {
        self.publish_status(leg, Status { code, reason: reason.into(), peer: None, mobile_pickup: false });
    }

    /// Publishes that a leg leaves by a link; `peer` is the leg at its other end.
    pub(super) fn publish_gone(&mut self, leg: LegId, reason: Option<&'static str>, peer: LegId) {
        let peer = Peer {
            party: self.party_id(peer),
            legacy_session: self.sessions[self.legs[peer].session].legacy,
        };
        self.publish_status(leg, Status { code: Code::Gone, reason, peer: Some(peer), mobile_pickup: false });
    }

    pub(super) fn party_id(&self, leg: LegId) -> PartyId {
        let Leg { session, ordinal, .. } = self.legs[leg];
        PartyId { session: self.sessions[session].id, ordinal }
    }

    pub(super) fn publish_status(&mut self, id: LegId, status: Status) {
        let party_id = self.party_id(id);
        let leg = &self.legs[id];
        if !leg.is_published {
            return;
        }
        let session = &mut self.sessions[leg.session];
        session.sequence += 1;
        let party = Party {
            id: party_id,
            extension: match leg.who {
                Some(ParticipantRef::Extension(extension)) => Some(extension),
                _ => None,
            },
            outbound: leg.outbound,
            from: leg.from.clone(),
            to: leg.to.clone(),
            status,
            missed: leg.missed,
            queue: leg.queue.clone(),
            recording: leg.recording,
            parked_at: leg.parked_at,
            role: leg.role,
        };
        let timestamp = self.now + self.rng.i64(14..=113);
        self.notifications.push(Notification {
            arrival: timestamp + self.rng.i64(1..=25),
            uuid: self.rng.u64(1..1 << 63),
            account: self.world.accounts[session.account].id,
            timestamp,
            subscription: self.world.subscription(session.account),
            body: Body {
                sequence: session.sequence,
                legacy_session: session.legacy,
                session: session.id,
                server: session.server,
                event_time: self.now,
                origin: session.origin,
                party,
            },
        });
    }
}
