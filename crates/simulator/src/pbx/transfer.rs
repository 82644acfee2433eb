//! Transfers: blind, attended, and of a call that still rings.
//!
//! An attended transfer is published by both legs of the transferor, `Gone` with each other as `peerId`; both
//! sessions continue (PacoVu/ringcentral-voice-apis-demo, ringcentral-call-control-js). A blind transfer
//! stays in the session: the leg is `Disconnected` and a new party follows.

use crate::{
    account::{User, e164},
    id::ParticipantRef,
    notification::Code,
};

use super::{LegId, Pbx, State};

/// The target of a transfer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    User(User),
    Outside(u64),
    /// A queue of the account, by its index.
    Queue(usize),
    /// A user's mailbox.
    Mailbox(User),
}

impl Pbx<'_> {
    /// The lines that a leg's mixer reaches, except those of the leg's own person.
    pub(crate) fn others(&self, leg: LegId) -> Vec<LegId> {
        let lines = self.audio.lines(self.sessions[self.legs[leg].session].mixer);
        lines.into_iter().filter(|&line| self.legs[line].who != self.legs[leg].who).collect()
    }

    /// The other lines in a leg's own session.
    pub(crate) fn others_in_session(&self, leg: LegId) -> Vec<LegId> {
        let here = |&line: &LegId| self.legs[line].session == self.legs[leg].session && line != leg;
        (0..self.legs.len()).filter(|&line| self.audio.is_plugged(line)).filter(here).collect()
    }

    /// The people of [`Self::others`].
    pub(crate) fn people_with(&self, leg: LegId) -> Vec<ParticipantRef> {
        let mut people: Vec<ParticipantRef> =
            self.others(leg).iter().filter_map(|&line| self.legs[line].who).collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    /// The person of a leg transfers the others to a target and leaves. Returns the leg that rings or serves
    /// there.
    pub(crate) fn transfer_blind(&mut self, leg: LegId, target: Target) -> LegId {
        const REASONS: [&str; 4] = ["BlindTransfer", "BlindTransfer", "RccTransfer", "DtmfTransfer"];
        let session = self.legs[leg].session;
        let reason = self.rng.choice(REASONS);
        let whom = match target {
            Target::User(user) | Target::Mailbox(user) => ParticipantRef::Extension(user.extension),
            Target::Outside(number) => ParticipantRef::Number(number),
            Target::Queue(queue) => ParticipantRef::Extension(self.queue(session, queue).extension),
        };
        if let Some(by) = self.legs[leg].who {
            let moved = self.people_with(leg);
            self.log.record_move(session, "BlindTransfer", self.now, by, Some(whom), moved);
        }
        let remote = self.others(leg).first().and_then(|&other| self.contact_of(other));
        self.release(leg, reason);
        self.pass(15..40);
        match target {
            Target::User(user) => {
                self.ring_as(session, user, remote, user.reached_at(e164(user.direct_number)))
            }
            Target::Outside(number) => {
                let leg = self.ring_outside(session, number);
                self.legs[leg].from = remote;
                leg
            }
            Target::Queue(queue) => self.enter_queue(session, queue),
            Target::Mailbox(user) => {
                let leg = self.reach(session, user);
                self.pass(10..60);
                self.take_message(leg)
            }
        }
    }

    /// How the person of a leg is shown to others.
    fn contact_of(&self, leg: LegId) -> Option<crate::notification::Contact> {
        let shown = match self.legs[leg].outbound {
            true => self.legs[leg].from.clone(),
            false => Some(self.legs[leg].to.clone()),
        };
        shown.map(|contact| crate::notification::Contact { device_id: None, ..contact })
    }

    /// The person of two legs connects their others and leaves both calls. RingCentral may publish no reason,
    /// or an unknown one.
    pub(crate) fn transfer_attended(&mut self, first: LegId, second: LegId, reason: Option<&'static str>) {
        let (first, second) = match self.legs[first].session < self.legs[second].session {
            true => (first, second),
            false => (second, first),
        };
        let (a, b) = (self.legs[first].session, self.legs[second].session);
        // The consultation is the call that they placed; of two calls in the same direction, the later one.
        let consulting = match (self.legs[first].outbound, self.legs[second].outbound) {
            (true, false) => first,
            _ => second,
        };
        let target = self.consulted_party(consulting);
        let kind = if reason == Some("AttendedTransfer") { "AttendedTransfer" } else { "Transfer" };
        if let Some(by) = self.legs[first].who {
            let own = if consulting == first { second } else { first };
            let moved = self.people_with(own);
            self.log.record_move(a, kind, self.now, by, target, moved);
            if self.legs[first].outbound == self.legs[second].outbound {
                let (target, moved) = (self.consulted_party(first), self.people_with(second));
                self.log.set_alternative_move(b, target, moved);
            }
        }
        self.audio.unplug(first);
        self.audio.unplug(second);
        self.audio.connect(self.sessions[a].mixer, self.sessions[b].mixer);
        self.log.join_calls(a, b);
        self.log.extend_end(a, self.now);
        self.log.extend_end(b, self.now);
        let (one, other) = if self.chance(70) { (first, second) } else { (second, first) };
        self.publish_gone(one, reason, other);
        self.legs[one].state = State::Gone;
        self.pass(0..16);
        self.publish_gone(other, reason, one);
        self.legs[other].state = State::Gone;
        let up = |leg: &LegId| {
            self.legs[*leg].state == State::Up && self.legs[*leg].session == self.legs[consulting].session
        };
        if let Some(taker) = self.audio.lines(self.sessions[b].mixer).into_iter().find(up) {
            self.pass(5..40);
            self.publish_with_reason(taker, Code::Answered, reason);
        }
        if self.chance(50) {
            self.pass(5..40);
            self.release(first, None);
            self.release(second, None);
        }
    }

    /// The other party of a consultation, talking or still ringing: in its session if there is one, else
    /// anywhere in what it reaches.
    fn consulted_party(&self, leg: LegId) -> Option<ParticipantRef> {
        let session = self.legs[leg].session;
        let others = self.others(leg);
        // The called party may host a conference meanwhile, and be heard on another line.
        let called = |who: Option<ParticipantRef>| {
            self.legs.iter().any(|leg| leg.session == session && leg.who == who)
        };
        let near = others.iter().find(|&&other| self.legs[other].session == session);
        let near = near.or_else(|| others.iter().find(|&&other| called(self.legs[other].who)));
        let ringing = || self.waiting(self.sessions[session].mixer).into_iter().next();
        near.copied().or_else(|| others.first().copied()).or_else(ringing).and_then(|leg| self.legs[leg].who)
    }
}
